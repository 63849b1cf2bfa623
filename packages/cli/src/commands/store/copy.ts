import { Option, type Command } from 'commander';

import { print, table } from '../../output.ts';

const PLACE = 'data directory, or file with the connection string of PostgreSQL';

/** `store copy`: from the embedded store to PostgreSQL, and back. */
export function addStoreCopy(parent: Command): void {
  parent
    .command('copy')
    .description(
      'Copy everything from the embedded store to PostgreSQL or back; no server may run.',
    )
    .requiredOption('--from <place>', `what to copy: ${PLACE}`)
    .requiredOption('--to <place>', `where to, which has to be empty: ${PLACE}`)
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async ({ from, to, output }: { from: string; to: string; output?: 'json' }) => {
      const [{ storeAt }, { copyStore }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/copy.ts'),
      ]);
      const copied = await copyStore(storeAt('--from', from), storeAt('--to', to));
      print(output, { tables: copied }, () => [
        table(
          ['TABLE', 'ROWS', 'SHA-256'],
          copied.map(({ table: name, rows, digest }) => [name, rows, digest.slice(0, 16)]),
        ),
        'Everything was copied and compared. Secrets stay sealed under the same master key: give every server its file, with --master-key-file or as master.key in its data directory.',
        'The source is as it was. Do not start a server on it again.',
      ]);
    });
}
