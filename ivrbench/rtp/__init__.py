"""RTP, RTCP and telephone-event (RFC 3550, RFC 4733), pure, one stream at a time."""
