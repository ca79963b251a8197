import GRPC
import Interop
import InteropAPI
import NIOCore
import NIOPosix
import Primitives
import TLS
import TLSTestSupport
import Testing

/// The official interoperability cases, between ourselves and against grpcio.
@Suite(.timeLimit(.minutes(10)))
struct InteropCaseTests {
    @Test(arguments: InteropCase.allCases)
    func `a case passes between our client and our server`(testCase: InteropCase) async throws {
        try await Loopback.run(
            methods: { TestService().register(in: &$0) },
            body: { try await InteropClient(client: $0.client).run(testCase) }
        )
    }

    @Test func `every case passes over TLS between our client and our server`() async throws {
        let authority = try CertificateAuthority()
        let identity = try authority.issue(.init { $0.dnsNames = ["interop.test"] })
        var server = GRPCServerConfiguration.testing
        server.tls = TLSServerConfiguration(
            credentials: try TLSCredentials(
                TLSMaterial(
                    certificateChain: identity.certificate,
                    privateKey: identity.privateKey,
                    trustRoots: nil
                )
            )
        )
        var client = GRPCClientConfiguration.testing
        client.tls = TLSClientConfiguration(
            credentials: try TLSCredentials(
                TLSMaterial(
                    certificateChain: nil,
                    privateKey: nil,
                    trustRoots: authority.certificate
                )
            ),
            verification: .hostname("interop.test")
        )
        try await Loopback.run(
            server: server,
            client: client,
            methods: { TestService().register(in: &$0) },
            body: { loopback in
                for testCase in InteropCase.allCases {
                    await #expect(throws: Never.self, "\(testCase.rawValue)") {
                        try await InteropClient(client: loopback.client).run(testCase)
                    }
                }
            }
        )
    }

    @Test func `without files and without the test credentials TLS says what it expects`() throws {
        let none = InteropCredentials(environment: ["INTEROP_TEST_CREDENTIALS": ""])
        let server = #expect(throws: InteropFailure.self) {
            try none.server(certificate: nil, key: nil)
        }
        let client = #expect(throws: InteropFailure.self) {
            try none.client(authority: nil, usesTestAuthority: true, expectedHost: nil)
        }
        #expect(
            server?.description
                == "expected --tls_cert_file, or INTEROP_TEST_CREDENTIALS with server1.pem in it"
        )
        #expect(
            client?.description
                == "expected --ca_file, or INTEROP_TEST_CREDENTIALS with ca.pem in it"
        )
    }

    @Test func `every case passes between our client and a grpcio server`() async throws {
        let process = try PythonProcess("grpcio_interop_server.py")
        let port = try #require(await process.lines.next().flatMap { UInt16($0) })
        let client = GRPCClient(
            addresses: [EndpointAddress(host: "127.0.0.1", port: port)],
            configuration: .testing,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next()
        )
        for testCase in InteropCase.allCases {
            await #expect(throws: Never.self, "\(testCase.rawValue)") {
                try await InteropClient(client: client).run(testCase)
            }
        }
        await client.close()
        process.endInput()
    }

    @Test func `every case passes between a grpcio client and our server`() async throws {
        try await Loopback.run(
            methods: { TestService().register(in: &$0) },
            body: { loopback in
                let client = try PythonProcess(
                    "grpcio_interop_client.py",
                    ["\(loopback.address)"] + InteropCase.allCases.map(\.rawValue)
                )
                var lines: [String] = []
                while let line = await client.lines.next() { lines.append(line) }
                #expect(lines == InteropCase.allCases.map { "\($0.rawValue) ok" })
            }
        )
    }

    /// A server that has every method and none of the features.
    private static func registerUseless(in methods: inout MethodTable) {
        typealias Requests = RequestStream<Grpc_Testing_StreamingOutputCallRequest>
        typealias Responses = ResponseWriter<Grpc_Testing_StreamingOutputCallResponse>
        let name = "grpc.testing.TestService"
        for service in [name, "grpc.testing.UnimplementedService"] {
            methods.unary(service, "UnimplementedCall") {
                (_: Grpc_Testing_Empty, _) in Grpc_Testing_Empty()
            }
        }
        methods.unary(name, "EmptyCall") { (_: Grpc_Testing_Empty, _) in Grpc_Testing_Empty() }
        methods.unary(name, "UnaryCall") {
            (_: Grpc_Testing_SimpleRequest, _) in Grpc_Testing_SimpleResponse()
        }
        methods.clientStreaming(name, "StreamingInputCall") {
            (requests: RequestStream<Grpc_Testing_StreamingInputCallRequest>, _) in
            for try await _ in requests {}
            return Grpc_Testing_StreamingInputCallResponse()
        }
        methods.serverStreaming(name, "StreamingOutputCall") {
            (_: Grpc_Testing_StreamingOutputCallRequest, _: Responses, _) in
        }
        methods.bidirectional(name, "FullDuplexCall") { (requests: Requests, _: Responses, _) in
            for try await _ in requests {}
        }
    }

    // The ends that the client itself brings about and the empty calls ask for no feature.
    @Test(
        arguments: Set(InteropCase.allCases).subtracting([
            .emptyUnary, .emptyStream, .cancelAfterBegin, .cancelAfterFirstResponse,
            .timeoutOnSleepingServer, .pingPong,
        ])
    )
    func `a case fails against a server without its feature`(testCase: InteropCase) async throws {
        try await Loopback.run(
            methods: Self.registerUseless,
            body: { loopback in
                await #expect(throws: InteropFailure.self) {
                    try await InteropClient(client: loopback.client).run(testCase)
                }
            }
        )
    }

    /// Answers all calls well, but never compresses and says that it does not mind.
    @Test(arguments: [InteropCase.serverCompressedUnary, .serverCompressedStreaming])
    func `a plain answer fails where a compressed one is due`(testCase: InteropCase) async throws {
        try await Loopback.run(
            methods: { methods in
                let name = "grpc.testing.TestService"
                methods.unary(name, "UnaryCall") { (request: Grpc_Testing_SimpleRequest, _) in
                    Grpc_Testing_SimpleResponse.with {
                        $0.payload.body = .init(count: Int(request.responseSize))
                    }
                }
                methods.serverStreaming(name, "StreamingOutputCall") {
                    (
                        request: Grpc_Testing_StreamingOutputCallRequest,
                        responses: ResponseWriter<Grpc_Testing_StreamingOutputCallResponse>,
                        _
                    ) in
                    for parameters in request.responseParameters {
                        try await responses.write(
                            .with { $0.payload.body = .init(count: Int(parameters.size)) }
                        )
                    }
                }
            },
            body: { loopback in
                let failure = await #expect(throws: InteropFailure.self) {
                    try await InteropClient(client: loopback.client).run(testCase)
                }
                #expect(failure?.description.hasSuffix("expected true, got false") == true)
            }
        )
    }

    @Test func `sizes and codes out of bounds are invalid arguments`() async throws {
        try await Loopback.run(
            methods: { TestService().register(in: &$0) },
            body: { loopback in
                func code(_ request: Grpc_Testing_SimpleRequest) async -> GRPCStatusCode? {
                    await grpcError {
                        let _: Grpc_Testing_SimpleResponse = try await loopback.client.unary(
                            "/grpc.testing.TestService/UnaryCall",
                            request
                        )
                    }?.code
                }
                let codes = [
                    await code(.with { $0.responseSize = -1 }),
                    await code(.with { $0.responseSize = 64 * 1024 * 1024 + 1 }),
                    await code(.with { $0.responseType = .UNRECOGNIZED(7) }),
                    await code(.with { $0.responseStatus.code = 17 }),
                    await code(.with { $0.responseStatus.code = 16 }),
                    await code(.with { $0.responseStatus.code = 0 }),
                ]
                let invalid = GRPCStatusCode.invalidArgument
                #expect(codes == [invalid, invalid, invalid, invalid, .unauthenticated, nil])
            }
        )
    }

    @Test func `a half-duplex call answers when the client has half-closed, up to its bound`()
        async throws
    {
        try await Loopback.run(
            methods: { TestService().register(in: &$0) },
            body: { loopback in
                let request = try GRPCFrame(
                    Grpc_Testing_StreamingOutputCallRequest.with {
                        $0.responseParameters = [
                            .with { $0.size = 3 }, .with { $0.intervalUs = 1 },
                        ]
                    }
                )
                func responses(of requests: Int) async throws -> Int {
                    let call = try await loopback.client.open(
                        "/grpc.testing.TestService/HalfDuplexCall"
                    )
                    for _ in 0..<requests { try await call.write(request) }
                    await call.finishWriting()
                    var received = 0
                    while try await call.next() != nil { received += 1 }
                    return received
                }
                let two = try await responses(of: 2)
                let most = try await responses(of: 1000)
                let error = await grpcError { _ = try await responses(of: 1001) }
                #expect(two == 4)
                #expect(most == 2000)
                #expect(error?.code == .resourceExhausted)
            }
        )
    }
}
