"""The desk without a browser: a stand-in for its page, and what is published in answer to the page's messages."""
