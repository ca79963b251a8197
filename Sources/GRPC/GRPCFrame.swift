package import NIOCore
package import SwiftProtobuf

/// One message as it goes on the wire: the five-byte prefix and the payload in one buffer.
///
/// A frame that is sent to many streams is built once; they share its bytes.
package struct GRPCFrame: Sendable {
    static let prefixBytes = 5

    package let buffer: ByteBuffer

    /// The message's size without the prefix.
    package var messageBytes: Int { buffer.readableBytes - Self.prefixBytes }

    package init(bytes: some Collection<UInt8>) {
        var buffer = ByteBufferAllocator().buffer(capacity: Self.prefixBytes + bytes.count)
        buffer.writePrefix(messageBytes: bytes.count)
        buffer.writeBytes(bytes)
        self.buffer = buffer
    }

    package init(message: ByteBuffer) {
        var buffer = ByteBufferAllocator().buffer(
            capacity: Self.prefixBytes + message.readableBytes
        )
        buffer.writePrefix(messageBytes: message.readableBytes)
        buffer.writeImmutableBuffer(message)
        self.buffer = buffer
    }

    /// A message that is compressed already.
    init(compressed message: ByteBuffer) {
        var buffer = ByteBufferAllocator().buffer(
            capacity: Self.prefixBytes + message.readableBytes
        )
        buffer.writePrefix(messageBytes: message.readableBytes, flag: 1)
        buffer.writeImmutableBuffer(message)
        self.buffer = buffer
    }

    /// Serializes straight behind the prefix.
    package init(_ message: some Message) throws {
        let target: SerializationTarget = try message.serializedBytes()
        self.buffer = target.buffer
    }
}

extension ByteBuffer {
    fileprivate mutating func writePrefix(messageBytes: Int, flag: UInt8 = 0) {
        writeInteger(flag)
        writeInteger(UInt32(messageBytes))
    }
}

/// Where SwiftProtobuf writes a message, with room for the prefix in front.
private struct SerializationTarget: SwiftProtobufContiguousBytes {
    var buffer: ByteBuffer

    init(repeating: UInt8, count: Int) {
        buffer = ByteBufferAllocator().buffer(capacity: GRPCFrame.prefixBytes + count)
        buffer.writePrefix(messageBytes: count)
        buffer.writeRepeatingByte(repeating, count: count)
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 {
        buffer = GRPCFrame(bytes: Array(sequence)).buffer
    }

    var count: Int { buffer.readableBytes - GRPCFrame.prefixBytes }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeReadableBytes { bytes in
            try body(UnsafeRawBufferPointer(rebasing: bytes[GRPCFrame.prefixBytes...]))
        }
    }

    mutating func withUnsafeMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> R
    ) rethrows -> R {
        try buffer.withUnsafeMutableReadableBytes { bytes in
            try body(UnsafeMutableRawBufferPointer(rebasing: bytes[GRPCFrame.prefixBytes...]))
        }
    }
}

/// Received bytes as SwiftProtobuf reads them, without a copy.
private struct DeserializationSource: SwiftProtobufContiguousBytes {
    var buffer: ByteBuffer

    init(buffer: ByteBuffer) {
        self.buffer = buffer
    }

    init(repeating: UInt8, count: Int) {
        buffer = ByteBuffer(repeating: repeating, count: count)
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 {
        buffer = ByteBuffer(bytes: sequence)
    }

    var count: Int { buffer.readableBytes }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try buffer.withUnsafeReadableBytes(body)
    }

    mutating func withUnsafeMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> R
    ) rethrows -> R {
        try buffer.withUnsafeMutableReadableBytes(body)
    }
}

extension Message {
    /// Decodes a received message; bytes that are none end the call with INVALID_ARGUMENT.
    package init(
        grpcMessage buffer: ByteBuffer,
        options: BinaryDecodingOptions = BinaryDecodingOptions()
    ) throws {
        do {
            try self.init(serializedBytes: DeserializationSource(buffer: buffer), options: options)
        } catch {
            throw GRPCError(.invalidArgument, "the message is not a valid \(Self.protoMessageName)")
        }
    }
}
