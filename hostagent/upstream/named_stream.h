// A stream to a server whose name has to be looked up first. To its owner it is one stream: what is
// sent meanwhile waits, and a name that leads nowhere is how the stream ends.
//
//   auto stream = std::make_unique<NamedStream>(&lookup, "a:7743", wake, connect, heard);
//
// Errors: finished() has them: those of EntropyStream, of the lookup and of `connect`.
//
// Thread safety: as EntropyStream.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "client/entropy_stream.h"
#include "client/name_lookup.h"

namespace entropyd {

class NamedStream final : public EntropyStream {
 public:
  // Begins the stream itself, on the owner's thread, when the answer is there. An error, e.g. that
  // of the answer, is how this stream ends.
  using Connect =
      std::function<absl::StatusOr<std::unique_ptr<EntropyStream>>(const NameLookup::Answer&)>;
  // The server has said something: it is at one of these addresses. Not called when the name led
  // nowhere.
  using Heard = std::function<void(const NameLookup::Addresses&)>;

  // The lookup may end before this does.
  NamedStream(NameLookup* lookup, const std::string& server, std::function<void()> wake,
              Connect connect, Heard heard);
  ~NamedStream() override;

  bool Send(const v1::AgentMessage& message) override;
  size_t unsent() const override;
  std::unique_ptr<ReceivedMessage> TryNext() override;
  bool connected() const override;
  absl::optional<absl::Status> finished() const override;
  void HalfClose() override;
  void Cancel() override;

 private:
  struct Shared;

  void ConnectIfKnown();

  const std::shared_ptr<Shared> shared_;
  const Connect connect_;
  Heard heard_;
  absl::optional<NameLookup::Answer> answer_;
  // Sent before there was a stream.
  std::vector<v1::AgentMessage> waiting_;
  bool half_closed_ = false;
  std::unique_ptr<EntropyStream> stream_;
  // There is no stream, and there will be none.
  absl::optional<absl::Status> end_;
};

}  // namespace entropyd
