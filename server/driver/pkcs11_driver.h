// Driver `pkcs11`: the generator of a security module's token. It calls C_GenerateRandom of a
// PKCS#11 `module:` (a shared library) on the token whose label is `token:`. The token must say
// that it has a generator (CKF_RNG).
//
// Most tokens give random bytes to every caller. For one that does not, `pin_file:` names the file
// with the PIN of its user. Nobody but root and the server's user may read this file. The driver
// wipes the PIN from its memory after the login. A token locks itself after some wrong PINs. So the
// driver tries a PIN that the token has refused only once, until the file changes.
//
// Others than root and the server's user must not be able to write the module: it becomes a part of
// the server.
//
// Three cases are treated as an unplugged device: a lost session, a removed token or device, and a
// module that another part of the process (or a fork) has finalised. Read() says so, and Open()
// starts from the beginning. The driver never finalises or unloads the module: another source may
// use it, and some modules leave threads behind.
//
// SoftHSM draws from this host's kernel: group `host`, no credit. The driver knows it by its
// module's name when it reads the configuration, and by its manufacturer when it opens the token.
//
// A module may hang in any call: Create() puts the driver behind a GuardedDriver.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/driver/registry.h"

namespace entropyd {

class Pkcs11Driver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static ConfigFault Look(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `believed`: the operator or Identify() has made sure that a software token counts for no more
  // than it is worth. Otherwise Open() refuses a software token. `pin_file` is empty when the token
  // gives random bytes without a login.
  Pkcs11Driver(std::string module, std::string token, bool believed, std::string pin_file = "");
  ~Pkcs11Driver() override;

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override;

 private:
  // The function table and the session, in the types of the PKCS#11 header.
  struct Module;

  // A state of the file with the PIN.
  struct PinVersion {
    uint64_t inode = 0;
    int64_t changed_nanos = 0;
    bool operator==(const PinVersion&) const = default;
  };

  absl::Status Load();
  absl::Status LogIn(absl::string_view what);

  const std::string module_;
  const std::string token_;
  const bool believed_;
  const std::string pin_file_;
  // The file when the token refused its PIN; it must change before the next try.
  absl::optional<PinVersion> refused_pin_;
  // The root of the token, by its serial number.
  std::string root_;
  std::unique_ptr<Module> loaded_;
};

}  // namespace entropyd
