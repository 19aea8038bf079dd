"""Which errors of the Kafka clients pass by themselves once the broker is back."""


def passes(error: BaseException | None) -> bool:
    """Whether the same request may go well later: the broker was away, slow, or changing its leaders.

    >>> from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
    >>> passes(KafkaTimeoutError()), passes(MessageSizeTooLargeError()), passes(OSError())
    (True, False, False)
    """
    from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, UnknownError
    from faust.exceptions import ProducerSendError

    if isinstance(error, ProducerSendError):
        return passes(error.__cause__)
    if isinstance(error, KafkaTimeoutError | KafkaConnectionError | UnknownError):  # Tansu's word for no such topic
        return True
    return isinstance(error, KafkaError) and bool(error.retriable)
