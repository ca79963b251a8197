/// Sees the calls of a client begin and end, and may refuse them or add to their metadata.
///
/// Everything is told on the client's event loop; nothing here may block. A token that takes a
/// while to fetch is fetched beforehand by whoever owns it. The order is that of the
/// configuration, and the opposite one at the end.
///
/// A conformance to `ClientMessageInterceptor` asks for more.
package protocol ClientInterceptor: AnyObject, Sendable {
    /// The call was asked for; it may still have to wait for a connection.
    ///
    /// Throw a `GRPCError` to refuse it.
    func started(_ call: ClientCall, _ metadata: inout Metadata) throws

    /// The call has its status, whether the server chose it or not.
    ///
    /// Told once for each start that was told, also when no connection could be made.
    func ended(_ call: ClientCall, _ status: GRPCStatus)
}

extension ClientInterceptor {
    package func ended(_ call: ClientCall, _ status: GRPCStatus) {}
}

/// Also sees each message.
package protocol ClientMessageInterceptor: ClientInterceptor {
    /// A message of so many bytes is sent.
    func sent(messageBytes: Int, _ call: ClientCall)
    /// A message of so many bytes has come in full; the reader may take it later.
    func received(messageBytes: Int, _ call: ClientCall)
}

/// The interceptors of one client, by what they want to see.
final class ClientInterceptors: Sendable {
    let all: [any ClientInterceptor]
    let ofMessages: [any ClientMessageInterceptor]

    /// Nil when there is none, which is what calls ask for first.
    init?(_ all: [any ClientInterceptor]) {
        guard !all.isEmpty else { return nil }
        self.all = all
        self.ofMessages = all.compactMap { $0 as? any ClientMessageInterceptor }
    }
}
