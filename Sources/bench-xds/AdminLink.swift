import MeridianAPI
import SwiftProtobuf

/// Asks the control plane for its counters.
final class AdminLink: WireConnectionOwner {
    private static let path = "/meridian.v1.Admin/GetCounters"

    private let port: UInt16
    private let poller: Poller
    private let buffer: ReadBuffer
    private var connection: WireConnection?
    private var isConnected = false
    /// The answer to the last question; nil until it has come.
    private(set) var acknowledged: UInt64?

    init(port: UInt16, poller: Poller, buffer: ReadBuffer) {
        self.port = port
        self.poller = poller
        self.buffer = buffer
        connect()
    }

    private func connect() {
        connection = WireConnection(
            to: .loopback(port),
            from: nil,
            poller: poller,
            buffer: buffer,
            owner: self
        )
    }

    func ask() {
        acknowledged = nil
        guard isConnected, let connection else { return }
        connection.send([], on: connection.open(Self.path), isLast: true)
    }

    func connected(_ connection: WireConnection) { isConnected = true }

    func received(
        _ message: UnsafeRawBufferPointer,
        stream: UInt32,
        on connection: WireConnection
    ) {
        let response = try? Meridian_V1_GetCountersResponse(serializedBytes: Array(message))
        acknowledged = response?.counters["xds_acks"]
    }

    func streamEnded(_ stream: UInt32, _ reason: String, on connection: WireConnection) {}

    func closed(_ connection: WireConnection, _ reason: String) {
        isConnected = false
        poller.schedule(after: .milliseconds(250)) { self.connect() }
    }
}
