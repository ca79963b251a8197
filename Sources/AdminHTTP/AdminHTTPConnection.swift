import NIOCore
import NIOHTTP1

/// One connection: collects a request, has it answered, and goes on.
final class AdminHTTPConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// What is read of the request that comes.
    private enum State {
        case waiting
        case reading(HTTPRequestHead, body: [UInt8])
        /// It is answered; the pipeline holds the next one back until it is.
        case answering
        /// The connection ends, whatever still comes.
        case closing
    }

    private let configuration: AdminHTTPConfiguration
    private let handler: AdminHTTPServer.Handler
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    private var answer: Task<Void, Never>?

    init(configuration: AdminHTTPConfiguration, handler: @escaping AdminHTTPServer.Handler) {
        self.configuration = configuration
        self.handler = handler
    }

    func channelActive(context: ChannelHandlerContext) {
        setDeadline(configuration.requestTimeout, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        answer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .waiting): received(head, context)
        case (.body(let buffer), .reading(let head, var body)):
            guard body.count + buffer.readableBytes <= configuration.maximumBodyBytes else {
                return refuse(context, .payloadTooLarge, bodyTooLarge)
            }
            // The array leaves the state, so that it grows in place.
            state = .waiting
            body.append(contentsOf: buffer.readableBytesView)
            state = .reading(head, body: body)
        case (.end, .reading(let head, let body)): received(head, body, context)
        // What follows a refusal is not read.
        case (_, .closing): break
        case (.head, _), (.body, _), (.end, _):
            refuse(context, .badRequest, "this is no request")
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private var bodyTooLarge: String {
        "the body is longer than \(configuration.maximumBodyBytes) bytes"
    }

    // MARK: - A request

    private func received(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        // A page that a browser shows must not change a mesh behind the operator's back.
        guard !head.headers.contains(name: "origin") else {
            return refuse(context, .forbidden, "requests of web pages are not answered")
        }
        let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        guard length <= configuration.maximumBodyBytes else {
            return refuse(context, .payloadTooLarge, bodyTooLarge)
        }
        state = .reading(head, body: [])
        if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
            let part = HTTPResponseHead(version: head.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(part)), promise: nil)
        }
    }

    private func received(
        _ head: HTTPRequestHead,
        _ body: [UInt8],
        _ context: ChannelHandlerContext
    ) {
        let request = AdminHTTPRequest(method: head.method.rawValue, uri: head.uri, body: body)
        guard let request else {
            return refuse(context, .badRequest, "\"\(head.uri.prefix(100))\" is no path")
        }
        state = .answering
        setDeadline(configuration.answerTimeout, context)
        let handler = self.handler
        let eventLoop = context.eventLoop
        let connection = NIOLoopBound((self, context), eventLoop: eventLoop)
        let isKeptAlive = head.isKeepAlive
        // Owned by this connection, which cancels it when it ends.
        answer = Task {
            let response = await handler(request)
            eventLoop.execute {
                let (connection, context) = connection.value
                connection.answered(response, isKeptAlive: isKeptAlive, context)
            }
        }
    }

    private func answered(
        _ response: AdminHTTPResponse,
        isKeptAlive: Bool,
        _ context: ChannelHandlerContext
    ) {
        answer = nil
        guard case .answering = state, context.channel.isActive else { return }
        state = isKeptAlive ? .waiting : .closing
        write(response, isLast: !isKeptAlive, context)
        if isKeptAlive { setDeadline(configuration.requestTimeout, context) }
    }

    private func refuse(
        _ context: ChannelHandlerContext,
        _ status: HTTPResponseStatus,
        _ message: String
    ) {
        state = .closing
        let text = message.filter { $0 != "\"" && $0 != "\\" && !$0.isNewline }
        write(
            AdminHTTPResponse(status: Int(status.code), body: "{\"message\":\"\(text)\"}"),
            isLast: true,
            context
        )
    }

    private func write(
        _ response: AdminHTTPResponse,
        isLast: Bool,
        _ context: ChannelHandlerContext
    ) {
        let body = context.channel.allocator.buffer(string: response.body + "\n")
        var head = HTTPResponseHead(
            version: .http1_1,
            status: HTTPResponseStatus(statusCode: response.status)
        )
        head.headers.add(name: "content-type", value: "application/json")
        head.headers.add(name: "content-length", value: "\(body.readableBytes)")
        if isLast { head.headers.add(name: "connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if isLast {
            let channel = context.channel
            written.whenComplete { _ in channel.close(promise: nil) }
        }
    }

    private func setDeadline(_ timeout: Duration, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            channel.close(promise: nil)
        }
    }
}
