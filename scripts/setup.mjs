// Makes a checkout (or the package installed as a dependency) ready to run. Needs Node alone, does
// nothing when all is in place, and may be run by several processes at once.
//   node scripts/setup.mjs [--only libtorch|native|ts] [--force] [--json] [--check]
//   SIMGPT_LIBTORCH=DIR       a LibTorch folder to use
//   SIMGPT_COMPILE_CUDA=1     fetch the CUDA compiler too and build the plugin
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `simgpt: expected Node 20.19 or newer, received ${process.versions.node}; install it from https://nodejs.org\n`,
  );
  process.exit(1);
}
const { main } = await import('./setup/main.mjs');
process.exitCode = await main(process.argv.slice(2));
