"""The errors that scripts may raise, with the status that their caller is to get."""


class UnsupportedFormatError(Exception):
    """A content type that nothing reads or writes."""

    def __init__(self, content_type, **kwargs):
        self.content_type = content_type
        Exception.__init__(self, "Content type %s is not supported by this framework. Please implement input_fn to deserialize the request data "
                                 "or an output_fn to serialize the response." % content_type)


class BaseInferenceToolkitError(Exception):
    """An error that carries its HTTP status."""

    def __init__(self, status_code, message, phrase):
        Exception.__init__(self, status_code, message, phrase)
        self.status_code, self.message, self.phrase = status_code, message, phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same with defaults for what is left out."""

    def __init__(self, status_code, message=None, phrase=None):
        message = message or "Invalid Request"
        BaseInferenceToolkitError.__init__(self, status_code, message, phrase or message)
