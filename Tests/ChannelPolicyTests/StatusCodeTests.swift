import ChannelPolicy
import Testing

@Suite struct StatusCodeTests {
    @Test func `a name is read in any case`() {
        let codes = ["UNAVAILABLE", "unavailable", "Unavailable"].map { StatusCode(name: $0) }
        #expect(codes == [.unavailable, .unavailable, .unavailable])
    }

    @Test func `a name that is no status code is refused`() {
        let code = StatusCode(name: "TEAPOT")
        #expect(code == nil)
    }

    @Test func `a set holds its codes and no code that does not exist`() {
        let set: StatusCodeSet = [.ok, .unauthenticated, StatusCode(rawValue: 40)]
        let members = (-1...64).filter { set.contains(StatusCode(rawValue: $0)) }
        #expect(members == [0, 16])
    }
}
