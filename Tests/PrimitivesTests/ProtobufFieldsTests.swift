import Primitives
import Testing

struct ProtobufFieldsTests {
    /// Number and content of each field; nil for bytes that are no message.
    private static func fields(_ bytes: [UInt8]) -> [[UInt64: [UInt8]?]]? {
        bytes.withUnsafeBytes { message in
            var fields = ProtobufFields(message)
            var all: [[UInt64: [UInt8]?]] = []
            do {
                while let field = try fields.next() {
                    all.append([field.number: field.content.map { Array(message[$0]) }])
                }
            } catch {
                return nil
            }
            return all
        }
    }

    @Test func `each kind of field is stepped over, and contents are found`() {
        let message: [UInt8] =
            [0x08, 0x96, 0x01] + [0x12, 2, 7, 8] + [0x19] + Array(repeating: 1, count: 8)
            + [0x25, 1, 2, 3, 4] + [0x82, 0x01, 0]
        let fields = Self.fields(message)
        #expect(fields == [[1: nil], [2: [7, 8]], [3: nil], [4: nil], [16: []]])
    }

    @Test(
        arguments: [
            [0x08], [0x12, 2, 7], [0x19, 1], [0x25, 1, 2, 3], [0x00, 1], [0x0B], [0x80],
            [0x12] + Array(repeating: 0xFF, count: 9) + [0x01],
            [0x08] + Array(repeating: 0x80, count: 10) + [0x01],
        ] as [[UInt8]]
    )
    func `what is cut off or malformed is refused`(message: [UInt8]) {
        let fields = Self.fields(message)
        #expect(fields == nil)
    }
}
