#include "server/late_reloader.h"

#include <utility>

namespace entropyd {

void LateReloader::Begin(std::unique_ptr<Reconfigurer> reconfigurer,
                         std::unique_ptr<Reloader> reloader) {
  reconfigurer_ = std::move(reconfigurer);
  owned_ = std::move(reloader);
  reloader_ = owned_.get();
}

void LateReloader::Ask(std::string cause, Reloader::Done done) {
  if (Reloader* const one = reloader_) return one->Ask(std::move(cause), std::move(done));
  done(absl::UnavailableError("reload: the server cannot take a new configuration now"));
}

std::string LateReloader::problem() const {
  const Reloader* const one = reloader_;
  return one == nullptr ? "" : one->problem();
}

std::vector<std::string> LateReloader::needs_restart() const {
  const Reloader* const one = reloader_;
  return one == nullptr ? std::vector<std::string>() : one->needs_restart();
}

void LateReloader::Tick() {
  if (owned_ != nullptr) owned_->Tick();
}

bool LateReloader::awaited() const { return owned_ != nullptr && owned_->awaited(); }

void LateReloader::Stop() {
  if (owned_ != nullptr) owned_->Stop();
}

}  // namespace entropyd
