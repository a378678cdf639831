"""The webhook: the channel that delivers changes while the stream is down."""

from collections import Counter
from collections.abc import Callable

from homeassistant.core import callback

from .client import Account, JsonObject, Message, WebhookDelivery, is_at_or_before
from .const import LOGGER
from .coordinator import AccountCoordinator
from .webhook_handler import WebhookHandler
from .webhook_registration import WebhookRegistration


class WebhookChannel:
    """Applies what the relay POSTs, and keeps the webhook registered with the relay."""

    def __init__(
        self, coordinator: AccountCoordinator, on_message: Callable[[Message, str | None, str | None], None]
    ) -> None:
        """The last argument of `on_message` is the position that the delivery is complete to."""
        self._coordinator = coordinator
        self._on_message = on_message
        self._registration = WebhookRegistration(
            coordinator.hass,
            coordinator.config_entry,
            coordinator.client,
            WebhookHandler(self._async_apply_delivery, coordinator.client.clock),
            coordinator.account_issues.async_update_webhook,
        )
        self._is_stopped = False
        self.received: Counter[str] = Counter()
        """Number of applied messages by type, for diagnostics."""

    @property
    def is_registered(self) -> bool:
        """Whether the relay has accepted the webhook's address."""
        return self._registration.is_registered

    @callback
    def async_start(self, account: Account) -> None:
        """Register the webhook if the plan and the relay support it. Can be called again to check the registration."""
        self._registration.async_start(account)

    async def async_stop(self) -> None:
        """Stop checking the registration, and refuse deliveries, so that the relay keeps them."""
        self._is_stopped = True
        await self._registration.async_stop()

    def get_diagnostics(self) -> JsonObject:
        """Return the state of the webhook, without an address or a secret."""
        return self._registration.get_diagnostics()

    @callback
    def _async_apply_delivery(self, delivery: WebhookDelivery) -> bool:
        """Apply a delivery. Return whether to acknowledge it.

        While the stream is up it delivers everything, and nothing is applied from here. But a stream can be dead for a
        while before that is noticed: what it has not delivered yet is not acknowledged, so that the relay retries.
        """
        coordinator = self._coordinator
        if self._is_stopped:
            return False
        if coordinator.is_streaming:
            return all(is_at_or_before(message.cursor, coordinator.cursor) for message in delivery.messages)
        for received in delivery.messages:
            self.received[type(received.message).__name__] += 1
            try:
                self._on_message(received.message, received.cursor, delivery.cursor)
            except Exception:  # noqa: BLE001 - logged; a bug that one message triggers must not repeat it forever
                LOGGER.exception("Failed to apply a message from the webhook")
        if delivery.messages:
            coordinator.availability.async_record_contact(coordinator.update_interval)
            coordinator.async_set_updated_data(coordinator.data)  # postpones the next poll
        return True
