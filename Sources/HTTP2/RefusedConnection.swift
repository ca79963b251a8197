package import NIOCore

/// Turns away a connection that the server has no room for.
///
/// A plaintext client is told in HTTP/2's words: SETTINGS, as every server begins, and GOAWAY. One of
/// TLS would have to be given a handshake first, and is closed. What it sends is not looked at.
package final class RefusedConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private static let farewell: [UInt8] = {
        let text = Array("the server takes no more connections".utf8)
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let goaway: [UInt8] = [0, 0, UInt8(8 + text.count), 7, 0, 0, 0, 0, 0]
        let code = UInt8(HTTP2ErrorCode.enhanceYourCalm.rawValue)
        return settings + goaway + [0, 0, 0, 0, 0, 0, 0, code] + text
    }()

    private let isPlaintext: Bool

    package init(isPlaintext: Bool, counters: ConnectionCounters) {
        self.isPlaintext = isPlaintext
        counters.connectionRefused()
    }

    package func channelActive(context: ChannelHandlerContext) {
        guard isPlaintext else { return context.close(promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Self.farewell)))
            .whenComplete { _ in channel.close(promise: nil) }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
