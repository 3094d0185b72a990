"""Small readers of requests."""


def read_file(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


def write_file(path, data, mode="w"):
    with open(path, mode) as f:
        f.write(data)


def retrieve_content_type_header(request_property):
    for key, value in request_property.items():
        if key.lower() in ("content-type", "contenttype"):
            return value
    return None


def parse_accept(accept):
    return accept.replace(" ", "").split(",")
