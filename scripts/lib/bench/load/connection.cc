#include "connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fail.h"

namespace {

// So large that flow control never holds the server back: it is not what is measured.
constexpr std::int32_t kWindowBytes = 64 * 1024 * 1024;
constexpr std::size_t kReadBytes = 256 * 1024;
// What the socket does not take beyond this stays inside nghttp2, which knows it in a smaller form.
constexpr std::size_t kOutputBytes = 256 * 1024;

void Check(ssize_t result, const char* what) {
  if (result < 0) Fail("%s: %s.", what, nghttp2_strerror(static_cast<int>(result)));
}

[[noreturn]] void FailWithErrno(const char* what) { Fail("%s: %s.", what, std::strerror(errno)); }

nghttp2_nv Header(const char* name, const char* value) {
  const auto bytes = [](const char* text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text)); };
  return {bytes(name), bytes(value), std::strlen(name), std::strlen(value),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

int Connect(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) FailWithErrno("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) FailWithErrno("connect");
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return descriptor;
}

}  // namespace

// What nghttp2 calls.
struct Callbacks {
  static Call* Find(nghttp2_session* session, std::int32_t stream) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
  }

  static ssize_t Next(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t room, std::uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    auto* call = static_cast<Call*>(source->ptr);
    const Call::Piece piece = call->Next(buffer, room);
    if (piece.is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.bytes > 0 || piece.is_last) return static_cast<ssize_t>(piece.bytes);
    call->is_deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }

  static int Header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t length,
                    const std::uint8_t* value, std::size_t value_length, std::uint8_t, void*) {
    static constexpr char kStatus[] = "grpc-status";
    if (length != sizeof kStatus - 1 || std::memcmp(name, kStatus, length) != 0) return 0;
    if (Call* call = Find(session, frame->hd.stream_id)) call->has_ok_status_ = value_length == 1 && *value == '0';
    return 0;
  }

  static int Data(nghttp2_session* session, std::uint8_t, std::int32_t stream, const std::uint8_t* data,
                  std::size_t length, void*) {
    if (Call* call = Find(session, stream)) call->Received(data, length);
    return 0;
  }

  static int Closed(nghttp2_session* session, std::int32_t stream, std::uint32_t error, void*) {
    if (Call* call = Find(session, stream)) call->Ended(call->has_ok_status_ && error == NGHTTP2_NO_ERROR);
    return 0;
  }
};

Connection::Connection(int port, int epoll) : epoll_(epoll), socket_(Connect(port)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::Header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::Data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::Closed);
  nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);

  const std::array<nghttp2_settings_entry, 2> settings{{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
  }};
  Check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()), "SETTINGS");
  Check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindowBytes), "WINDOW_UPDATE");
  output_.reserve(2 * kOutputBytes);

  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event) != 0) FailWithErrno("epoll_ctl");
}

Connection::~Connection() {
  nghttp2_session_del(session_);
  close(socket_);
}

void Connection::Open(const char* path, Call* call) {
  const std::array<nghttp2_nv, 6> headers{
      Header(":method", "POST"),          Header(":scheme", "http"), Header(":path", path),
      Header(":authority", "127.0.0.1"), Header("te", "trailers"),  Header("content-type", "application/grpc"),
  };
  nghttp2_data_provider body{};
  body.source.ptr = call;
  body.read_callback = Callbacks::Next;
  call->is_deferred_ = call->has_ok_status_ = false;
  call->stream_ = nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &body, call);
  Check(call->stream_, "HEADERS");
}

void Connection::Resume(Call* call) {
  if (!call->is_deferred_) return;
  call->is_deferred_ = false;
  Check(nghttp2_session_resume_data(session_, call->stream_), "DATA");
}

void Connection::Read() {
  static std::array<std::uint8_t, kReadBytes> buffer;
  const ssize_t count = recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return;
  if (count < 0) FailWithErrno("recv");
  if (count == 0) Fail("The server closed a connection.");
  Check(nghttp2_session_mem_recv(session_, buffer.data(), static_cast<std::size_t>(count)), "the server's frames");
}

void Connection::Flush() {
  for (;;) {
    while (output_.size() < kOutputBytes) {
      const std::uint8_t* frame = nullptr;
      const ssize_t length = nghttp2_session_mem_send(session_, &frame);
      Check(length, "frames to the server");
      if (length == 0) break;
      output_.insert(output_.end(), frame, frame + length);
    }
    if (output_.empty()) return Watch(false);
    const ssize_t count = send(socket_, output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) return Watch(true);
    if (count < 0) FailWithErrno("send");
    output_.erase(output_.begin(), output_.begin() + count);
  }
}

void Connection::Watch(bool for_writing) {
  if (for_writing == is_watched_for_writing_) return;
  is_watched_for_writing_ = for_writing;
  epoll_event event{};
  event.events = for_writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_, &event) != 0) FailWithErrno("epoll_ctl");
}
