import CNghttp2

/// Reads the headers that end a stream, to say why it ended.
enum Trailers {
    /// All fields as text; works on any list alone, because the load allows no dynamic table.
    static func text(_ block: UnsafeRawBufferPointer) -> String {
        var inflater: OpaquePointer?
        guard nghttp2_hd_inflate_new(&inflater) == 0 else { return "trailers that can't be read" }
        defer { nghttp2_hd_inflate_del(inflater) }
        var fields: [String] = []
        var rest = block
        while true {
            var field = nghttp2_nv()
            var flags: CInt = 0
            let count = nghttp2_hd_inflate_hd2(
                inflater,
                &field,
                &flags,
                rest.baseAddress?.assumingMemoryBound(to: UInt8.self),
                rest.count,
                1
            )
            guard count >= 0 else { return "trailers that can't be read" }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(Int(count)))
            if flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
                let name = UnsafeBufferPointer(start: field.name, count: field.namelen)
                let value = UnsafeBufferPointer(start: field.value, count: field.valuelen)
                fields.append(
                    "\(String(decoding: name, as: UTF8.self)): "
                        + String(decoding: value, as: UTF8.self)
                )
            }
            if flags & CInt(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
            if rest.isEmpty, flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { break }
        }
        return fields.joined(separator: ", ")
    }
}
