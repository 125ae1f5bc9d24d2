"""Microsoft.EventGrid: system topics, event subscriptions, custom topics, and what they make of the activity log.

Like all providers, this one does no I/O. `events` turns an activity record into an event. `subscriptions` and `topics`
keep the ARM resources and accept published events. `state` has what waits to be sent: `simulator.delivery` does the
handshakes with webhooks, and delivers.
"""

from simulator.providers.eventgrid import subscriptions, topics

TYPES = (*subscriptions.TYPES, *topics.TYPES)
FUNCTIONS = topics.FUNCTIONS
