import EnvoyAPI
import GRPC
import Logging
import NIOPosix
import Primitives
import SwiftProtobuf
import Synchronization
import XDSCore
import XDSServer

typealias DeltaDiscoveryRequest = Envoy_Service_Discovery_V3_DeltaDiscoveryRequest
typealias DeltaDiscoveryResponse = Envoy_Service_Discovery_V3_DeltaDiscoveryResponse
typealias DiscoveryRequest = Envoy_Service_Discovery_V3_DiscoveryRequest
typealias DiscoveryResponse = Envoy_Service_Discovery_V3_DiscoveryResponse
typealias Node = Envoy_Config_Core_V3_Node

let ads = "envoy.service.discovery.v3.AggregatedDiscoveryService"

/// The discovery services on a free port of the loopback interface, with one view for all nodes, and a client.
struct DiscoveryPair: Sendable {
    let service: DiscoveryService
    let view: PublishedView
    let client: GRPCClient

    static func with(
        _ resources: [EncodedResource],
        configuration: DiscoveryConfiguration = DiscoveryConfiguration(),
        maximumStatusResources: Int = 1_000,
        logger: Logger? = nil,
        answered: @escaping @Sendable ([AggregateAnswer], String) -> Bool = { _, _ in false },
        viewOf: (@Sendable (Node) throws(RefusedNode) -> PublishedView)? = nil,
        _ body: (DiscoveryPair) async throws -> Void
    ) async throws {
        let view = PublishedView(id: ViewID(1))
        _ = view.replace(with: resources)
        let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let service = DiscoveryService(
            configuration: configuration,
            logger: logger ?? silent,
            answered: answered,
            viewOf: viewOf ?? { _ in view }
        )
        var methods = MethodTable()
        service.register(in: &methods)
        ClientStatusService(discovery: service, maximumResources: maximumStatusResources)
            .register(in: &methods)
        try await ServedMethods.with(methods) { client in
            try await body(DiscoveryPair(service: service, view: view, client: client))
        }
    }

    func open<Request: Message, Response: Message>(
        _ service: String,
        _ method: String,
        of: (Request, Response).Type = (Request, Response).self
    ) async throws -> DiscoveryCall<Request, Response> {
        DiscoveryCall(call: try await client.open("/\(service)/\(method)", timeout: .seconds(300)))
    }

    func openDelta(
        _ service: String = ads,
        _ method: String = "DeltaAggregatedResources"
    ) async throws -> DiscoveryCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> {
        try await open(service, method)
    }

    func openSotw(
        _ service: String = ads,
        _ method: String = "StreamAggregatedResources"
    ) async throws -> DiscoveryCall<DiscoveryRequest, DiscoveryResponse> {
        try await open(service, method)
    }

    func publish(_ resources: [EncodedResource]) {
        if view.replace(with: resources) { view.notifyStreams() }
    }
}

/// Some methods on a free port of the loopback interface, and a client for them.
enum ServedMethods {
    static func with(
        _ methods: MethodTable,
        _ body: (GRPCClient) async throws -> Void
    ) async throws {
        var server = GRPCServerConfiguration()
        server.http2.drainTimeout = .milliseconds(200)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let grpcServer = GRPCServer(
            address: EndpointAddress(host: "127.0.0.1", port: 0),
            methods: methods,
            configuration: server,
            group: group,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        )
        var client = GRPCClientConfiguration()
        client.connectTimeout = .seconds(30)
        let grpcClient = GRPCClient(
            addresses: [try await grpcServer.start()],
            configuration: client,
            eventLoop: group.next()
        )
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(grpcClient))
        } catch {
            result = .failure(error)
        }
        await grpcClient.close()
        await grpcServer.shutDown()
        try await group.shutdownGracefully()
        try result.get()
    }
}

/// One stream of requests and responses.
struct DiscoveryCall<Request: Message, Response: Message>: Sendable {
    let call: ClientCall

    func send(_ fill: (inout Request) -> Void) async throws {
        try await call.write(GRPCFrame(Request.with(fill)))
    }

    /// The next response; an error when the stream has ended.
    func next() async throws -> Response {
        guard let bytes = try await call.next() else { throw StreamEnded() }
        return try Response(grpcMessage: bytes)
    }

    /// The status that the stream ends with.
    func failure() async -> GRPCError? {
        do {
            while try await call.next() != nil {}
            return nil
        } catch {
            return error as? GRPCError
        }
    }
}

struct StreamEnded: Error {}

extension DiscoveryCall where Request == DeltaDiscoveryRequest {
    func subscribe(_ type: TypeURL, _ names: String..., node: Node? = .test) async throws {
        try await send {
            $0.typeURL = type.rawValue
            $0.resourceNamesSubscribe = names
            if let node { $0.node = node }
        }
    }
}

extension DiscoveryCall
where Request == DeltaDiscoveryRequest, Response == DeltaDiscoveryResponse {
    func ack(_ response: Response) async throws {
        try await send {
            $0.typeURL = response.typeURL
            $0.responseNonce = response.nonce
        }
    }
}

extension Node {
    static let test = Node.with { $0.id = "node-1" }
}

/// `eds a 1` is the load assignment `a` with version 1; a cluster has its assignment for a companion.
func resource(
    _ type: TypeURL,
    _ name: ResourceName,
    _ version: XDSCore.Version = "1",
    timeToLive: Duration? = nil
) -> EncodedResource {
    EncodedResource(
        typeURL: type,
        name: name,
        version: version,
        bytes: Array("\(name)@\(version)".utf8),
        companions: type == .cluster ? [ResourceReference(.clusterLoadAssignment, name)] : [],
        timeToLive: timeToLive
    )
}
