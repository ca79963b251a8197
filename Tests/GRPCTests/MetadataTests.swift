import HTTP2
import Testing

@testable import GRPC

struct MetadataTests {
    private func received(_ fields: [(name: String, value: String)]) -> Metadata {
        Metadata(HeaderBlock(fields))
    }

    @Test func `values keep their order and kind over a header block`() {
        var metadata = Metadata()
        metadata.add("a", "1")
        metadata.add("b-bin", [0, 255, 44])
        metadata.add("a", "2")
        metadata.add("c-bin", [])
        var block = HeaderBlock()
        metadata.append(to: &block)
        let read = Metadata(block)
        #expect(read == metadata)
        #expect(read.texts("a") == ["1", "2"])
        #expect(read.binaries("b-bin") == [[0, 255, 44]])
        #expect(read.binaries("c-bin") == [[]])
        #expect(read.texts("b-bin") == [] && read.binaries("a") == [])
    }

    @Test func `the transport's own fields are not the application's`() {
        let metadata = received([
            (":path", "/a/b"), ("te", "trailers"), ("content-type", "application/grpc"),
            ("grpc-timeout", "1S"), ("grpc-anything", "x"), ("user-agent", "test/1"),
            ("mine", "yes"),
        ])
        #expect(metadata.entries.map(\.name) == ["user-agent", "mine"])
    }

    @Test func `binary values that were joined on the way are taken apart`() {
        let metadata = received([("x-bin", "AQ==, Ag,Aw")])
        #expect(metadata.binaries("x-bin") == [[1], [2], [3]])
    }

    @Test func `a binary value that cannot be decoded is left out`() {
        let metadata = received([("x-bin", "not base64!"), ("y", "stays")])
        #expect(metadata.entries.map(\.name) == ["y"])
    }

    @Test func `only lower-case names of the right bytes are custom`() {
        for name in ["a", "x-y_z.0", "trace-bin"] { #expect(Metadata.isCustom(name), "\(name)") }
        for name in ["", "A", "a b", "grpc-x", ":a", "te", "content-type", "user-agent", "ü"] {
            #expect(!Metadata.isCustom(name), "\(name)")
        }
    }
}

struct GRPCStatusTests {
    @Test func `codes have the names of the gRPC project`() {
        #expect(GRPCStatusCode.ok.description == "OK")
        #expect(GRPCStatusCode.unauthenticated.description == "UNAUTHENTICATED")
        #expect(GRPCStatusCode.deadlineExceeded.description == "DEADLINE_EXCEEDED")
        #expect(GRPCStatusCode(rawValue: 17).description == "code 17")
        #expect(GRPCStatusCode(rawValue: -1).description == "code -1")
    }

    @Test func `an error reads as its status`() {
        #expect("\(GRPCError(.notFound, "no such report"))" == "NOT_FOUND: no such report")
    }

    @Test func `clients get the text of our own errors and of no other`() {
        struct Secret: Error {
            let password = "hunter2"
        }
        let own = GRPCError(.aborted, "why")
        #expect(GRPCError.forClient(own) == own)
        #expect(GRPCError.forClient(CancellationError()).code == .cancelled)
        #expect(GRPCError.forClient(Secret()) == GRPCError(.internal, "internal error"))
    }
}
