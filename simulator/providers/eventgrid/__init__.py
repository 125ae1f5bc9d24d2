"""Microsoft.EventGrid: system topics, event subscriptions, custom topics, and what they make of the activity log.

Everything here is sans-I/O, as all providers are: `events` turns an activity record into an event, `subscriptions` and
`topics` keep the ARM resources and take published events, `state` holds what waits for somebody with a network. That
somebody is `simulator.delivery`, which shakes hands with webhooks and delivers.
"""

from simulator.providers.eventgrid import subscriptions, topics

TYPES = (*subscriptions.TYPES, *topics.TYPES)
FUNCTIONS = topics.FUNCTIONS
