// What set-up downloads: exact releases, file names, sizes and sha256. An altered byte is refused.

export const libtorchRelease = '2.11.0';
export const cudaRelease = '13.0.88';

/**
 * @typedef {object} Wheel
 * @property {string} requirement  what pip is asked for
 * @property {string} file
 * @property {number} size         bytes
 * @property {string} sha256
 * @property {(name: string) => boolean} wanted  which members are unpacked
 */

const manylinux2014 = 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl';

const torchLibraries = [
  'libtorch_cpu.so',
  'libc10.so',
  'libtorch.so',
  'libgomp.so.1',
  'libc10_cuda.so',
].map((name) => `torch/lib/${name}`);

/** @type {Wheel} */
const cudaRuntime = {
  requirement: 'nvidia-cuda-runtime==13.0.96',
  file: `nvidia_cuda_runtime-13.0.96-${manylinux2014}`,
  size: 2243632,
  sha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
  wanted: (name) => name === 'nvidia/cu13/lib/libcudart.so.13' || isLicence(name),
};

/** The CPU half of LibTorch, with the two CUDA libraries that it needs at load time. */
/** @type {readonly Wheel[]} */
export const libtorchWheels = [
  {
    requirement: `torch==${libtorchRelease}`,
    file: `torch-${libtorchRelease}-cp312-cp312-manylinux_2_28_x86_64.whl`,
    size: 530712279,
    sha256: '0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756',
    wanted: (name) =>
      name.startsWith('torch/include/') || torchLibraries.includes(name) || isLicence(name),
  },
  cudaRuntime,
  {
    requirement: 'nvidia-cuda-cupti==13.0.85',
    file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl',
    size: 10715597,
    sha256: '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8',
    wanted: (name) => name === 'nvidia/cu13/lib/libcupti.so.13' || isLicence(name),
  },
];

/** The CUDA compiler and the headers it needs, as one tree nvidia/cu13. */
/** @type {readonly Wheel[]} */
export const cudaCompilerWheels = [
  {
    requirement: `nvidia-cuda-nvcc==${cudaRelease}`,
    file: `nvidia_cuda_nvcc-${cudaRelease}-${manylinux2014}`,
    size: 37384532,
    sha256: '56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03',
    wanted: isToolkitFile,
  },
  {
    requirement: `nvidia-cuda-crt==${cudaRelease}`,
    file: `nvidia_cuda_crt-${cudaRelease}-${manylinux2014}`,
    size: 134086,
    sha256: '2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4',
    wanted: isToolkitFile,
  },
  {
    requirement: `nvidia-nvvm==${cudaRelease}`,
    file: `nvidia_nvvm-${cudaRelease}-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl`,
    size: 61601415,
    sha256: 'c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0',
    wanted: isToolkitFile,
  },
  { ...cudaRuntime, wanted: isToolkitFile },
  {
    requirement: 'nvidia-cuda-cccl==13.0.85',
    file: `nvidia_cuda_cccl-13.0.85-${manylinux2014}`,
    size: 3120526,
    sha256: 'e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649',
    wanted: isToolkitFile,
  },
];

/**
 * The official zip has no hash of ours, because it was never tried: its sha256 is the caller's to
 * state (SIMGPT_LIBTORCH_ZIP_SHA256) and nothing is fetched without one.
 */
export const officialZipUrl = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${libtorchRelease}%2Bcpu.zip`;

function isLicence(name) {
  return /^[^/]+\.dist-info\/licenses\//.test(name);
}

function isToolkitFile(name) {
  return (name.startsWith('nvidia/cu13/') && !name.includes('/.metadata/')) || isLicence(name);
}
