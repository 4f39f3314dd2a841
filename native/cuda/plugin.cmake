# simgpt_cuda.so, compiled with the nvcc of SIMGPT_CUDA_TOOLKIT and nothing of CMake's own CUDA
# support, which wants static libraries that the wheels lack. No GPU is needed.
#   SIMGPT_CUDA_TOOLKIT   folder with bin/nvcc and include; empty: no plugin

set(SIMGPT_CUDA_HEADERS native/cuda/plugin.h native/cuda/launchers.h)
set(SIMGPT_CUDA_SOURCES native/cuda/plugin.cu native/cuda/mean_pool_normalized.cu)

# The addon and the plugin carry the same hash, or the plugin is refused when it is loaded.
set(hashes "")
foreach(file ${SIMGPT_CUDA_HEADERS} ${SIMGPT_CUDA_SOURCES})
  file(SHA256 "${CMAKE_CURRENT_SOURCE_DIR}/${file}" hash)
  string(APPEND hashes "${hash}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
endforeach()
string(SHA256 SIMGPT_PLUGIN_HASH "${hashes}")
string(SUBSTRING "${SIMGPT_PLUGIN_HASH}" 0 16 SIMGPT_PLUGIN_HASH)
set_source_files_properties(native/cuda/plugin_loader.cc PROPERTIES
  COMPILE_DEFINITIONS "SIMGPT_PLUGIN_HASH=\"${SIMGPT_PLUGIN_HASH}\"")

if(SIMGPT_CUDA_TOOLKIT)
  set(nvcc "${SIMGPT_CUDA_TOOLKIT}/bin/nvcc")
  # The runtime that libtorch_cpu.so brings into the process is linked by name, never a second one.
  find_file(CUDART_LIBRARY libcudart.so.13 NO_DEFAULT_PATH PATHS
    "${TORCH_ROOT}/../nvidia/cu13/lib" "${TORCH_LIB}" "${SIMGPT_CUDA_TOOLKIT}/lib"
    "${SIMGPT_CUDA_TOOLKIT}/lib64")
  set(plugin "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/simgpt_cuda.so")
  set(strict "")
  if(SIMGPT_WERROR)
    set(strict -Werror all-warnings)
  endif()
  set(objects "")
  foreach(source ${SIMGPT_CUDA_SOURCES})
    get_filename_component(name "${source}" NAME_WE)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/simgpt_cuda_${name}.o")
    # A100 (sm_80) and H100/H200 (sm_90a). -isystem, so that warnings are about our code.
    add_custom_command(OUTPUT "${object}"
      COMMAND "${nvcc}" -std=c++20 -O3
        -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a
        -ccbin "${CMAKE_CXX_COMPILER}" --cudart=none ${strict}
        -Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra
        "-DSIMGPT_PLUGIN_HASH=\"${SIMGPT_PLUGIN_HASH}\"" -DUSE_CUDA
        -isystem "${TORCH_ROOT}/include" -isystem "${SIMGPT_CUDA_TOOLKIT}/include/cccl"
        -c "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
      DEPENDS "${source}" ${SIMGPT_CUDA_HEADERS}
      COMMENT "Building CUDA object ${source}" VERBATIM)
    list(APPEND objects "${object}")
  endforeach()
  add_custom_command(OUTPUT "${plugin}"
    COMMAND "${CMAKE_CXX_COMPILER}" -shared -o "${plugin}" ${objects}
      "${TORCH_LIB}/libc10_cuda.so" "${TORCH_LIB}/libc10.so" "${CUDART_LIBRARY}"
      -Wl,--allow-shlib-undefined -Wl,--disable-new-dtags "-Wl,-rpath,${TORCH_LIB}"
    DEPENDS ${objects} COMMENT "Linking simgpt_cuda.so" VERBATIM)
  add_custom_target(simgpt_cuda ALL DEPENDS "${plugin}")

  # Checks the kernel against float64 and times it: bench/gpu/run.sh runs it where a GPU is.
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/bench/gpu/mean_pool.cc")
    add_executable(simgpt_gpu_mean_pool bench/gpu/mean_pool.cc
      native/encoder/mean_pool_normalized.cc native/cuda/plugin_loader.cc)
    configure_native(simgpt_gpu_mean_pool)
    set_target_properties(simgpt_gpu_mean_pool PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}")
    target_link_libraries(simgpt_gpu_mean_pool PRIVATE ${CMAKE_DL_LIBS})
  endif()
endif()
