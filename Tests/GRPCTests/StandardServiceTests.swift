import Foundation
import GRPC
import GRPCAPI
import Logging
import NIOCore
import ServiceLifecycle
import SwiftProtobuf
import Testing

@Suite(.timeLimit(.minutes(10)))
struct HealthServiceTests {
    private typealias Request = Grpc_Health_V1_HealthCheckRequest
    private typealias Response = Grpc_Health_V1_HealthCheckResponse

    private func withHealth(_ body: (Loopback, HealthService) async throws -> Void) async throws {
        let health = HealthService()
        health.set(.serving)
        health.set(.notServing, for: "a.B")
        try await Loopback.run(
            methods: { health.register(in: &$0) },
            body: { try await body($0, health) }
        )
    }

    @Test func `a check tells the status of the server and of each service`() async throws {
        try await withHealth { loopback, _ in
            let server: Response = try await loopback.client.unary(
                "/grpc.health.v1.Health/Check",
                Request()
            )
            let service: Response = try await loopback.client.unary(
                "/grpc.health.v1.Health/Check",
                Request.with { $0.service = "a.B" }
            )
            #expect(server.status == .serving)
            #expect(service.status == .notServing)
        }
    }

    @Test func `a check of an unknown service is not found`() async throws {
        try await withHealth { loopback, _ in
            let error = await grpcError {
                let _: Response = try await loopback.client.unary(
                    "/grpc.health.v1.Health/Check",
                    Request.with { $0.service = "no.Such" }
                )
            }
            #expect(error == GRPCError(.notFound, "unknown service no.Such"))
        }
    }

    @Test func `the list has every status`() async throws {
        try await withHealth { loopback, _ in
            let list: Grpc_Health_V1_HealthListResponse = try await loopback.client.unary(
                "/grpc.health.v1.Health/List",
                Grpc_Health_V1_HealthListRequest()
            )
            #expect(list.statuses.mapValues(\.status) == ["": .serving, "a.B": .notServing])
        }
    }

    @Test func `a watch tells the status now and after each change`() async throws {
        try await withHealth { loopback, health in
            let call = try await loopback.client.open("/grpc.health.v1.Health/Watch")
            try await call.write(GRPCFrame(Request.with { $0.service = "later.C" }))
            await call.finishWriting()
            var seen: [Response.ServingStatus] = []
            for status in [nil, HealthService.Status.serving, .notServing] {
                if let status { health.set(status, for: "later.C") }
                seen.append(try Response(grpcMessage: try #require(try await call.next())).status)
            }
            call.cancel()
            #expect(seen == [.serviceUnknown, .serving, .notServing])
        }
    }

    @Test func `a watch that is open when the server stops is told so and ended`() async throws {
        try await withHealth { loopback, health in
            let call = try await loopback.client.open("/grpc.health.v1.Health/Watch")
            try await call.write(GRPCFrame(Request()))
            await call.finishWriting()
            let before = try Response(grpcMessage: try #require(try await call.next())).status
            let group = ServiceGroup(services: [health], logger: Logger(label: "test"))
            async let stopped: Void = group.run()
            await group.triggerGracefulShutdown()
            let after = try Response(grpcMessage: try #require(try await call.next())).status
            let end = await #expect(throws: GRPCError.self) { try await call.next() }
            try await stopped
            #expect(before == .serving)
            #expect(after == .notServing)
            #expect(end?.code == .unavailable)
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ReflectionServiceTests {
    private typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
    private typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

    /// The answers to `questions` on one stream of the service with that name.
    private func ask(_ questions: [Request], version: String = "v1") async throws -> [Response] {
        var answers: [Response] = []
        try await Loopback.run(
            methods: { methods in
                HealthService().register(in: &methods)
                ReflectionService(files: GRPCDescriptors.files).register(in: &methods)
            },
            body: { loopback in
                let call = try await loopback.client.open(
                    "/grpc.reflection.\(version).ServerReflection/ServerReflectionInfo"
                )
                for question in questions {
                    try await call.write(GRPCFrame(question))
                    answers.append(try Response(grpcMessage: try #require(try await call.next())))
                }
                await call.finishWriting()
                let end = try await call.next()
                #expect(end == nil)
            }
        )
        return answers
    }

    private func names(_ response: Response?) throws -> [String] {
        try (response?.fileDescriptorResponse.fileDescriptorProto ?? []).map {
            try Google_Protobuf_FileDescriptorProto(serializedBytes: Array($0)).name
        }
    }

    @Test(arguments: ["v1", "v1alpha"])
    func `the services are listed and sorted`(version: String) async throws {
        let answers = try await ask([.with { $0.listServices = "" }], version: version)
        let expected = [
            "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]
        #expect(answers.first?.listServicesResponse.service.map(\.name) == expected)
    }

    @Test(arguments: [
        "grpc.health.v1.Health", "grpc.health.v1.Health.Check", "grpc.health.v1.HealthCheckRequest",
    ])
    func `a symbol leads to its file`(symbol: String) async throws {
        let answers = try await ask([.with { $0.fileContainingSymbol = symbol }])
        #expect(try names(answers.first) == ["grpc/health/v1/health.proto"])
        #expect(answers.first?.originalRequest.fileContainingSymbol == symbol)
    }

    @Test func `a file is found by its name and sent each time it is asked for`() async throws {
        let question = Request.with { $0.fileByFilename = "grpc/health/v1/health.proto" }
        let answers = try await ask([question, question])
        #expect(try names(answers.first) == ["grpc/health/v1/health.proto"])
        #expect(try names(answers.last) == ["grpc/health/v1/health.proto"])
    }

    @Test func `what is not known is said so and the stream goes on`() async throws {
        let answers = try await ask([
            .with { $0.fileContainingSymbol = "no.Such" }, .with { $0.fileByFilename = "no.proto" },
            .with { $0.allExtensionNumbersOfType = "no.Type" }, Request(),
            .with { $0.fileContainingSymbol = "grpc.health.v1.Health" },
        ])
        #expect(answers.prefix(4).map(\.errorResponse.errorCode) == [5, 5, 5, 3])
        #expect(answers.first?.errorResponse.errorMessage == "symbol no.Such is not known")
        #expect(try names(answers.last) == ["grpc/health/v1/health.proto"])
    }
}
