// `entropyctl get`: draws bytes from a class and writes them to standard output.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/standard_output.h"
#include "base/text/names.h"
#include "base/wire/state_names.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/get_client.h"
#include "client/show/json_text.h"

namespace entropyd {
namespace {

// How much one call gets. A multiple of 3, so that pieces of base64 join without padding; a
// multiple of the 32 bytes in a line of hexadecimal; below GetClient::kMaxBytesPerCall.
constexpr size_t kPiece = 24 * 1024;
constexpr size_t kHexLine = 32;
static_assert(kPiece % 3 == 0 && kPiece % kHexLine == 0 && kPiece <= GetClient::kMaxBytesPerCall);

std::string Encode(absl::string_view bytes, GetOptions::Output output) {
  if (output == GetOptions::Output::kBase64) return absl::Base64Escape(bytes);
  std::string text;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(kHexLine, bytes.size()))) {
    absl::StrAppend(&text, absl::BytesToHexString(bytes.substr(0, kHexLine)), "\n");
  }
  return text;
}

// Writes one piece in the format that was asked for, and wipes the text of it.
absl::Status PrintPiece(absl::Span<const uint8_t> piece, GetOptions::Output output) {
  const absl::string_view bytes(reinterpret_cast<const char*>(piece.data()), piece.size());
  if (output == GetOptions::Output::kRaw) return WriteToStandardOutput(bytes);
  std::string text = Encode(bytes, output);
  absl::Status status = WriteToStandardOutput(text);
  Wipe(absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), text.size()));
  return status;
}

absl::Status PrintJsonHead(const std::string& pool_class, uint64_t bytes) {
  return WriteToStandardOutput(
      absl::StrCat("{\"class\":", JsonString(pool_class), ",\"bytes\":", bytes, ",\"base64\":\""));
}

absl::Status Draw(GetClient& client, const std::string& pool_class, const GetOptions& options) {
  absl::StatusOr<std::unique_ptr<SecretArena>> arena =
      SecretArena::Create(kPiece, SecretArena::Locking::kBestEffort);
  if (!arena.ok()) return arena.status();
  absl::StatusOr<SecretBytes> buffer = (*arena)->Allocate(kPiece);
  if (!buffer.ok()) return buffer.status();

  const GetOptions::Output output = options.json ? GetOptions::Output::kBase64 : options.output;
  GetClient::Drawn drawn;
  for (uint64_t done = 0; done < options.bytes;) {
    const absl::Span<uint8_t> piece =
        buffer->span().first(std::min<uint64_t>(kPiece, options.bytes - done));
    absl::StatusOr<GetClient::Drawn> got = client.Get(pool_class, piece);
    if (!got.ok() && done == 0) return got.status();
    if (!got.ok()) {
      return absl::Status(
          got.status().code(),
          absl::StrCat(got.status().message(), " (after ", done, " of ", options.bytes, " bytes)"));
    }
    if (done == 0 && options.json) {
      if (absl::Status head = PrintJsonHead(pool_class, options.bytes); !head.ok()) return head;
    }
    drawn = *got;
    if (absl::Status printed = PrintPiece(piece, output); !printed.ok()) return printed;
    done += piece.size();
  }
  if (options.json) {
    return WriteToStandardOutput(absl::StrCat(
        "\",\"quality\":", JsonString(v1::Quality_Name(drawn.quality)),
        ",\"seed_generation\":", drawn.seed_generation, ",\"seed_age_seconds\":",
        absl::StrFormat("%.3f", static_cast<double>(drawn.seed_age_ms) / 1000), "}\n"));
  }
  return output == GetOptions::Output::kBase64 ? WriteToStandardOutput("\n") : absl::OkStatus();
}

}  // namespace

int RunGet(const ClientFlags& flags, const GetOptions& options) {
  if (options.output == GetOptions::Output::kRaw && !options.json && !options.force &&
      isatty(STDOUT_FILENO) == 1) {
    return Fail(
        absl::InvalidArgumentError("get: raw bytes would garble this terminal; write them to a "
                                   "file, or use --hex or --force"));
  }
  absl::StatusOr<config::v1::Client> config = LoadClient(flags);
  if (!config.ok()) return Fail(config.status());
  if (config->class_().empty()) {
    return Fail(absl::InvalidArgumentError(
        "get: which class? give --class POOL/CLASS, ENTROPYD_CLASS or `class` in client.yaml"));
  }
  if (const auto name = SplitPoolClass(config->class_()); !name.ok()) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("get: class ", name.status().message())));
  }
  absl::StatusOr<std::unique_ptr<GetClient>> client = GetClient::Create(
      config->server(), config->tls(), absl::Now(), GetClient::kDefaultTimeout, TellSlow);
  if (!client.ok()) return Fail(Misconfigured(client.status()));
  const absl::Status drawn = Draw(**client, config->class_(), options);
  return drawn.ok() ? kExitOk : FailServer(drawn);
}

}  // namespace entropyd
