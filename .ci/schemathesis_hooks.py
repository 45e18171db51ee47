"""Tells the tester how to send the media type of tus: as it is."""
import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
