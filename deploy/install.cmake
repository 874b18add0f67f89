# Where `cmake --install` puts things. The units expect --prefix /usr. Each component is a Debian package
# (deploy/package.cmake).
include(GNUInstallDirs)
install(TARGETS entropyd RUNTIME COMPONENT server)
install(TARGETS entropyd-hostagent RUNTIME COMPONENT hostagent)
install(TARGETS entropyctl RUNTIME COMPONENT client)
if(TARGET entropyd-guest-init)
  install(TARGETS entropyd-guest-init RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT client)
endif()
install(FILES deploy/systemd/entropyd.service DESTINATION lib/systemd/system COMPONENT server)
install(FILES deploy/systemd/entropyd-hostagent.service deploy/systemd/entropyd-hostagent.socket
  DESTINATION lib/systemd/system COMPONENT hostagent)
foreach(sample IN ITEMS "server;entropyd" "hostagent;entropyd-hostagent" "client;entropyctl")
  list(POP_FRONT sample component package)
  set(file ${component})
  if(component STREQUAL "hostagent")
    set(file agent)
  endif()
  install(FILES deploy/config/${file}.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}/examples
    COMPONENT ${component})
endforeach()
# Not into /etc/apparmor.d: the file there belongs to the host, which appends this one.
install(FILES deploy/apparmor/libvirt-qemu DESTINATION ${CMAKE_INSTALL_DATADIR}/entropyd/apparmor
  COMPONENT hostagent)
include(deploy/package.cmake)
