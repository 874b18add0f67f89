# Where `cmake --install` puts things. The units expect --prefix /usr.
include(GNUInstallDirs)
install(TARGETS entropyd entropyd-hostagent entropyctl RUNTIME)
if(TARGET entropyd-guest-init)
  install(TARGETS entropyd-guest-init RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES deploy/systemd/entropyd.service deploy/systemd/entropyd-hostagent.service
  deploy/systemd/entropyd-hostagent.socket
  DESTINATION lib/systemd/system)
install(DIRECTORY deploy/config/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples FILES_MATCHING PATTERN "*.yaml")
# Not into /etc/apparmor.d: the file there is the host's own, to which this one is appended.
install(FILES deploy/apparmor/libvirt-qemu DESTINATION ${CMAKE_INSTALL_DATADIR}/entropyd/apparmor)
