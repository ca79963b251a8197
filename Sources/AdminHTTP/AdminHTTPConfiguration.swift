/// The bounds of the admin API over HTTP.
package struct AdminHTTPConfiguration: Hashable, Sendable {
    /// Connections at one time; one more is closed at once.
    package var maximumConnections: Int
    package var maximumBodyBytes: Int
    /// All fields of one request together.
    package var maximumHeaderBytes: Int
    /// From the connection's start, or from the answer before, until a request is there in full.
    package var requestTimeout: Duration
    /// Until it is answered.
    package var answerTimeout: Duration

    package init(
        maximumConnections: Int = 64,
        maximumBodyBytes: Int = 8 * 1024 * 1024,
        maximumHeaderBytes: Int = 16 * 1024,
        requestTimeout: Duration = .seconds(30),
        answerTimeout: Duration = .seconds(60)
    ) {
        self.maximumConnections = maximumConnections
        self.maximumBodyBytes = maximumBodyBytes
        self.maximumHeaderBytes = maximumHeaderBytes
        self.requestTimeout = requestTimeout
        self.answerTimeout = answerTimeout
    }
}
