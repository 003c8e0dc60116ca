"""What is in a page, as the standard library's parser understands it."""

from html.parser import HTMLParser

VOID = {"br", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """Reads a page as the standard library understands it: elements, attributes, text."""

    def __init__(self, text):
        super().__init__()
        self.waiting, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.waiting == [], "elements that are not closed"

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.waiting.append(name)

    def handle_endtag(self, name):
        assert self.waiting, f"</{name}> closes nothing"
        assert self.waiting.pop() == name

    def handle_data(self, data):
        self.texts.append(data)
