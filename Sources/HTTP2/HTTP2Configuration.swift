package import NIOCore

/// The bounds of one HTTP/2 connection, for either side.
package struct HTTP2Configuration: Sendable {
    /// Streams that the peer may have open at once.
    ///
    /// More are refused with REFUSED_STREAM; `floods.refusedStreams` bounds how many.
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
    /// Frames other than DATA that may wait for a peer that does not read.
    package var maximumQueuedFrames = 20_000
    /// DATA of all streams that waits for the peer, from which on new streams are refused.
    package var queuedBytesRefusingStreams = 64 * 1024 * 1024
    /// DATA of all streams that waits for the peer, at most; more ends the connection.
    package var maximumQueuedBytes = 256 * 1024 * 1024
    /// CONTINUATIONs of one header block.
    package var maximumContinuations = 8
    /// Bytes that one header block may decode to before its connection is ended.
    ///
    /// A list over `maximumHeaderListBytes` is decoded to its end, as the connection's compression
    /// state needs it, and answered; a few bytes can stand for very many.
    package var maximumDecodedHeaderBytes = 64 * 1024
    /// How often the peer may do what costs us more than it.
    package var floods = FloodLimits()
    /// Time that a client has for its connection preface and SETTINGS.
    package var prefaceTimeout: TimeAmount = .seconds(10)
    /// Time that a client has for the rest of a header block.
    package var headerTimeout: TimeAmount = .seconds(10)
    /// Time for which a client may leave its socket unread while something waits for it.
    package var notReadingTimeout: TimeAmount = .seconds(30)
    /// Time for which a client may take no byte of its responses.
    package var stalledTimeout: TimeAmount = .minutes(5)
    /// Time after which a connection without streams is closed; nil keeps it.
    package var maximumConnectionIdle: TimeAmount? = .minutes(30)
    /// Age at which a connection is closed gracefully; nil is any.
    package var maximumConnectionAge: TimeAmount?
    /// The share of the age by which it varies, each way.
    package var connectionAgeJitter = 0.1
    /// Time that the streams of a connection that has reached its age have to end.
    package var connectionAgeGrace: TimeAmount = .seconds(30)
    /// Time for which a connection that broke a rule is still drained, so that its GOAWAY arrives.
    package var goodbyeLinger: TimeAmount = .seconds(1)
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
