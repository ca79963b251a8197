import NIOCore
import Testing

@testable import GRPC

struct MethodTableTests {
    private func table(_ methods: [(String, String)]) -> MethodTable {
        var table = MethodTable()
        for (service, method) in methods {
            table.add(service, method, .unary { bytes, _ in GRPCFrame(message: bytes) })
        }
        return table
    }

    private func knows(_ path: String, _ table: MethodTable) -> Bool {
        Array(path.utf8).withUnsafeBytes { table.find($0) } != nil
    }

    @Test func `a method is found by its whole path only`() {
        let table = table([("a.B", "C")])
        #expect(knows("/a.B/C", table))
        for path in ["", "/", "a.B/C", "/a.B/", "/a.B/CC", "/a.B/c", "/a.B/C/", "/a.b/C"] {
            #expect(!knows(path, table), "\(path)")
        }
    }

    @Test func `an empty table finds nothing`() {
        #expect(!knows("/a.B/C", MethodTable()))
    }

    @Test func `a thousand methods are all found and no other`() {
        let table = table((0..<1000).map { ("test.Service\($0 % 10)", "Method\($0)") })
        let missing = (0..<1000).filter { !knows("/test.Service\($0 % 10)/Method\($0)", table) }
        let wrong = (0..<1000).filter { knows("/test.Service\($0 % 10 + 1)/Method\($0)", table) }
        #expect(missing == [] && wrong == [])
    }

    @Test func `services are listed once and sorted`() {
        let table = table([("b.Two", "X"), ("a.One", "X"), ("b.Two", "Y")])
        #expect(table.serviceNames == ["a.One", "b.Two"])
    }
}

struct ConnectivityTests {
    private final class Connection {}

    private func text(_ action: Connectivity<Connection>.OnCall) -> String {
        switch action {
        case .use: "use"
        case .wait(let connect): connect ? "connect" : "wait"
        case .fail(let error): "\(error)"
        }
    }

    private static let refused = GRPCError(.unavailable, "refused")

    @Test func `the first call connects and the others wait with it`() {
        var connectivity = Connectivity<Connection>()
        let actions = [text(connectivity.callStarted()), text(connectivity.callStarted())]
        let isWanted = connectivity.connected(Connection())
        #expect(actions == ["connect", "wait"])
        #expect(isWanted)
        #expect(text(connectivity.callStarted()) == "use")
    }

    @Test func `calls fail at once during the delay after a failure`() {
        var connectivity = Connectivity<Connection>()
        _ = connectivity.callStarted()
        let isWanted = connectivity.connectFailed(Self.refused)
        let during = text(connectivity.callStarted())
        _ = connectivity.backoffEnded()
        #expect(isWanted)
        #expect(during == "UNAVAILABLE: refused")
        #expect(text(connectivity.callStarted()) == "connect")
    }

    @Test func `a connection that ends is replaced at the next call`() {
        var connectivity = Connectivity<Connection>()
        let connection = Connection()
        _ = connectivity.callStarted()
        _ = connectivity.connected(connection)
        _ = connectivity.connectionEnded(connection)
        #expect(text(connectivity.callStarted()) == "connect")
    }

    @Test func `the end of an old connection leaves its successor`() {
        var connectivity = Connectivity<Connection>()
        let old = Connection()
        _ = connectivity.callStarted()
        _ = connectivity.connected(old)
        _ = connectivity.connectionEnded(old)
        _ = connectivity.callStarted()
        _ = connectivity.connected(Connection())
        _ = connectivity.connectionEnded(old)
        #expect(text(connectivity.callStarted()) == "use")
    }

    @Test func `a closed client fails its calls and wants no connection`() {
        var connectivity = Connectivity<Connection>()
        _ = connectivity.callStarted()
        let open = connectivity.close()
        let isWanted = connectivity.connected(Connection())
        let waits = connectivity.connectFailed(Self.refused)
        _ = connectivity.backoffEnded()
        #expect(open == nil && !isWanted && !waits)
        #expect(text(connectivity.callStarted()) == "UNAVAILABLE: the client is closed")
    }

    @Test func `closing gives the connection to close`() {
        var connectivity = Connectivity<Connection>()
        let connection = Connection()
        _ = connectivity.callStarted()
        _ = connectivity.connected(connection)
        #expect(connectivity.close() === connection)
    }
}
