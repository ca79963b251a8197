package import NIOCore

/// The bounds of one HTTP/2 connection, for either side.
package struct HTTP2Configuration: Sendable {
    /// Streams that the peer may have open at once.
    ///
    /// More are refused with REFUSED_STREAM before the peer has acknowledged the limit; afterwards
    /// they are its fault and end the connection.
    package var maximumConcurrentStreams: UInt32 = 1024
    /// Bytes of one header list, 32 more for each field (RFC 9113, section 6.5.2).
    package var maximumHeaderListBytes = 16 * 1024
    /// Received bytes of one stream that its reader has not taken yet.
    package var streamWindowBytes: Int32 = 256 * 1024
    /// Received bytes in flight on the whole connection.
    package var connectionWindowBytes: Int32 = 4 * 1024 * 1024
    /// A writer waits while its stream has more than this many bytes queued.
    package var writeHighWatermarkBytes = 64 * 1024
    /// Acknowledgements (PING, SETTINGS) that may wait for a peer that does not read.
    package var maximumQueuedAcknowledgements = 1000
    /// RST_STREAMs that the peer may send at once, and then each second (CVE-2023-44487).
    ///
    /// The library's own 1,000 and 33 are too few for a sidecar whose calls all time out at once.
    package var maximumResetBurst: UInt64 = 10_000
    package var maximumResetsPerSecond: UInt64 = 1_000
    /// Silence after which a PING is sent; nil sends none.
    ///
    /// A client sends them only while it has calls open.
    package var keepaliveInterval: TimeAmount? = .seconds(30)
    /// Silence after that PING which ends the connection.
    package var keepaliveTimeout: TimeAmount = .seconds(10)
    /// Time that the calls in flight have to end in a graceful shutdown.
    package var drainTimeout: TimeAmount = .seconds(30)

    package init() {}
}

/// Which end of the connection this is.
package enum HTTP2Role: Sendable {
    case client
    case server
}
