// Driver `pkcs11`: the generator of a security module's token. It calls C_GenerateRandom of a
// PKCS#11 `module:` (a shared library) on the token whose label is `token:`. It does not log in:
// the token must say that it has a generator (CKF_RNG), and every caller may get random bytes.
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

#include <memory>
#include <string>

#include "server/driver/registry.h"

namespace entropyd {

class Pkcs11Driver final : public SourceDriver {
 public:
  static ConfigFault Check(const config::v1::SourceConfig& config);
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // `believed`: the operator or Claims() has made sure that a software token counts for no more
  // than it is worth. Otherwise Open() refuses a software token.
  Pkcs11Driver(std::string module, std::string token, bool believed);
  ~Pkcs11Driver() override;

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  std::string root() const override { return root_; }
  void Close() override;

 private:
  // The function table and the session, in the types of the PKCS#11 header.
  struct Module;

  absl::Status Load();

  const std::string module_;
  const std::string token_;
  const bool believed_;
  // The root of the token, by its serial number.
  std::string root_;
  std::unique_ptr<Module> loaded_;
};

}  // namespace entropyd
