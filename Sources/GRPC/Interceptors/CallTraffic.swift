/// What a call has carried so far.
///
/// Bytes are those of the messages as they went over the wire, without their five-byte prefixes and
/// without the headers.
package struct CallTraffic: Hashable, Sendable {
    package private(set) var sentMessages = 0
    package private(set) var sentBytes = 0
    package private(set) var receivedMessages = 0
    /// With the bytes of a message that has not come in full.
    package var receivedBytes: Int {
        max(0, receivedData - receivedMessages * GRPCFrame.prefixBytes)
    }

    /// Bytes of DATA.
    private var receivedData = 0

    mutating func sent(_ frame: GRPCFrame) {
        sentMessages += 1
        sentBytes += frame.messageBytes
    }

    /// Takes note of bytes of DATA, with which `messages` are complete since the call began.
    mutating func received(_ bytes: Int, messages: Int) {
        receivedData += bytes
        receivedMessages = messages
    }
}
