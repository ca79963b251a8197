/// One buffer that all connections of a thread read into.
final class ReadBuffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
    deinit { bytes.deallocate() }
}
