import HTTP2
import Testing

struct HeaderBlockTests {
    /// The fields as pairs of strings, in order.
    private func fields(_ block: HeaderBlock) -> [String] {
        var fields: [String] = []
        block.forEach { name, value in
            fields.append(
                "\(String(decoding: name, as: UTF8.self))=\(String(decoding: value, as: UTF8.self))"
            )
        }
        return fields
    }

    @Test func `fields keep their order and their repetitions`() {
        var block = HeaderBlock([(":status", "200"), ("a", "1")])
        block.append(name: "a", value: "2")
        block.append(name: "empty", value: "")
        #expect(fields(block) == [":status=200", "a=1", "a=2", "empty="])
        #expect(block.count == 4)
    }

    @Test func `bytes and buffers are taken like strings`() {
        var block = HeaderBlock()
        block.append(name: "x", value: Array("bytes".utf8))
        Array("name".utf8).withUnsafeBytes { name in
            Array("välue".utf8).withUnsafeBytes { value in
                block.append(name: name, value: value)
            }
        }
        block.append(name: "z", value: "end")
        #expect(fields(block) == ["x=bytes", "name=välue", "z=end"])
    }

    @Test func `the first of several values is found and an absent name is not`() {
        let block = HeaderBlock([("ab", "no"), ("a", "first"), ("a", "second")])
        #expect(block.first("a") == "first")
        #expect(block.first("abc") == nil)
        #expect(HeaderBlock().first("a") == nil)
    }

    @Test func `the list size counts 32 bytes more for each field`() {
        let block = HeaderBlock([("name", "value"), ("n", "")])
        #expect(block.listSize == 9 + 1 + 2 * 32)
        #expect(HeaderBlock().listSize == 0)
    }

    @Test func `an emptied block can be filled again`() {
        var block = HeaderBlock([("old", "field")])
        block.removeAll()
        let emptied = block
        block.append(name: "new", value: "field")
        #expect(emptied.count == 0 && emptied.listSize == 0)
        #expect(fields(block) == ["new=field"])
    }

    @Test func `bytes are compared whole and by prefix`() {
        Array("application/grpc".utf8).withUnsafeBytes { bytes in
            #expect(bytes.equals("application/grpc"))
            #expect(!bytes.equals("application/grp"))
            #expect(!bytes.equals("application/grpc+"))
            #expect(bytes.hasPrefix("application/"))
            #expect(bytes.hasPrefix("application/grpc"))
            #expect(!bytes.hasPrefix("application/grpc-web"))
            #expect(!bytes.hasPrefix("text"))
        }
    }
}
