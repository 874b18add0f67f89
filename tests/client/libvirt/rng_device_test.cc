#include "client/libvirt/rng_device.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

// A domain with one generator, which has that backend.
XmlDocument Domain(absl::string_view backend) {
  auto document = XmlDocument::Parse(
      absl::StrCat("<domain><devices><rng model='virtio'>", backend, "</rng></devices></domain>"),
      "domain XML");
  EXPECT_TRUE(document.ok()) << document.status();
  return *std::move(document);
}

TEST(RngDeviceTest, ABackendIsReadByItsModel) {
  const std::pair<const char*, RngBackend> kBackends[] = {
      {"random", RngBackend::kRandom}, {"builtin", RngBackend::kBuiltin}, {"egd", RngBackend::kEgd},
      {"pool", RngBackend::kPool},     {"quantum", RngBackend::kOther},
  };
  for (const auto& [model, backend] : kBackends) {
    const XmlDocument document = Domain(absl::StrCat("<backend model='", model, "'/>"));
    const std::vector<RngDevice> devices = RngDevices(document.root());
    ASSERT_EQ(devices.size(), 1u);
    EXPECT_EQ(devices[0].backend, backend) << model;
    EXPECT_EQ(DescribeRng(devices[0]), model);
  }
}

TEST(RngDeviceTest, ADeviceWithoutABackendIsFedByNobody) {
  const XmlDocument document = Domain("");
  const std::vector<RngDevice> devices = RngDevices(document.root());
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0].backend, RngBackend::kNone);
  EXPECT_EQ(DescribeRng(devices[0]), "no backend");
}

TEST(RngDeviceTest, ADeviceOnASocketConnectsThereAlone) {
  const XmlDocument document = Domain(
      "<backend model='egd' type='unix'><source mode='connect' path='/run/entropyd/egd.sock'/>"
      "</backend>");
  const RngDevice rng = RngDevices(document.root())[0];
  EXPECT_TRUE(rng.ConnectsTo(kDefaultEgdSocket));
  EXPECT_FALSE(rng.ConnectsTo("/run/other.sock"));
  EXPECT_TRUE(rng.IsEntropyds());
  EXPECT_FALSE(rng.reconnects);
}

TEST(RngDeviceTest, ADeviceOfTheKernelIsOnNoSocket) {
  const XmlDocument document = Domain("<backend model='random'>/run/entropyd/egd.sock</backend>");
  const RngDevice rng = RngDevices(document.root())[0];
  EXPECT_EQ(rng.path, kDefaultEgdSocket);
  EXPECT_FALSE(rng.ConnectsTo(kDefaultEgdSocket));
  EXPECT_FALSE(rng.IsEntropyds());
}

}  // namespace
}  // namespace entropyd
