# A doorway for node-gyp: the one build is CMakeLists.txt, run by the set-up script.
{
  'targets': [
    {
      'target_name': 'simgpt',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'inputs': ['CMakeLists.txt', 'scripts/setup.mjs'],
          'outputs': ['<(PRODUCT_DIR)/simgpt.node'],
          'action': ['node', 'scripts/setup.mjs', '--only', 'native'],
        }
      ],
    }
  ]
}
