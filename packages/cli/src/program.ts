import { Command } from 'commander';

import { addAgent } from './commands/agent/agent.ts';
import { addApiKeysCreate } from './commands/apiKeys/create.ts';
import { addApiKeysDelete } from './commands/apiKeys/delete.ts';
import { addApiKeysDescribe } from './commands/apiKeys/describe.ts';
import { addApiKeysList } from './commands/apiKeys/list.ts';
import { addAvailableProjectsList } from './commands/availableProjects/list.ts';
import { addClustersCreate } from './commands/clusters/create.ts';
import { addClustersDelete } from './commands/clusters/delete.ts';
import { addClustersDescribe } from './commands/clusters/describe.ts';
import { addClustersList } from './commands/clusters/list.ts';
import { addClustersTest } from './commands/clusters/test.ts';
import { addClustersUpdate } from './commands/clusters/update.ts';
import { addConfigInit } from './commands/config/init.ts';
import { addConfigList } from './commands/config/list.ts';
import { addConfigSet } from './commands/config/set.ts';
import { addInit } from './commands/init/init.ts';
import { addLinkConfirm } from './commands/link/confirm.ts';
import { addLinkCreate } from './commands/link/create.ts';
import { addLinkDelete } from './commands/link/delete.ts';
import { addLinkDescribe } from './commands/link/describe.ts';
import { addLinkHostCreate } from './commands/link/host/create.ts';
import { addLinkHostDelete } from './commands/link/host/delete.ts';
import { addLiveMigrationsCancel } from './commands/liveMigrations/cancel.ts';
import {
  addLiveMigrationsRepair,
  addLiveMigrationsVerify,
} from './commands/liveMigrations/compareAgain.ts';
import { addLiveMigrationsCreate } from './commands/liveMigrations/create.ts';
import { addLiveMigrationsCutover } from './commands/liveMigrations/cutover.ts';
import { addLiveMigrationsDescribe } from './commands/liveMigrations/describe.ts';
import { addLiveMigrationsList } from './commands/liveMigrations/list.ts';
import { addLiveMigrationsMove } from './commands/liveMigrations/move.ts';
import { addLiveMigrationsPause } from './commands/liveMigrations/pause.ts';
import { addLiveMigrationsResume } from './commands/liveMigrations/resume.ts';
import { addLiveMigrationsUpdate } from './commands/liveMigrations/update.ts';
import { addLiveMigrationsWatch } from './commands/liveMigrations/watch.ts';
import { addOrganizationsCreate } from './commands/organizations/create.ts';
import { addOrganizationsDelete } from './commands/organizations/delete.ts';
import { addOrganizationsDescribe } from './commands/organizations/describe.ts';
import { addOrganizationsList } from './commands/organizations/list.ts';
import { addOrganizationsUnlock } from './commands/organizations/unlock.ts';
import { addProjectsCreate } from './commands/projects/create.ts';
import { addProjectsDelete } from './commands/projects/delete.ts';
import { addProjectsDescribe } from './commands/projects/describe.ts';
import { addProjectsList } from './commands/projects/list.ts';
import { addSecretsRotate } from './commands/secrets/rotate.ts';
import { addServer } from './commands/server/server.ts';
import { addServiceAccountSecretsCreate } from './commands/serviceAccountSecrets/create.ts';
import { addServiceAccountSecretsDelete } from './commands/serviceAccountSecrets/delete.ts';
import { addServiceAccountsCreate } from './commands/serviceAccounts/create.ts';
import { addServiceAccountsDelete } from './commands/serviceAccounts/delete.ts';
import { addServiceAccountsDescribe } from './commands/serviceAccounts/describe.ts';
import { addServiceAccountsList } from './commands/serviceAccounts/list.ts';
import { addStoreBackup } from './commands/store/backup.ts';
import { addStoreClusterGone } from './commands/store/clusterGone.ts';
import { addStoreCopy } from './commands/store/copy.ts';
import { addStoreMigrate } from './commands/store/migrate.ts';
import { addStoreRestore } from './commands/store/restore.ts';
import { addStoreRestored } from './commands/store/restored.ts';
import { addStoreStatus } from './commands/store/status.ts';
import { addValidationCreate } from './commands/validation/create.ts';
import { addValidationDescribe } from './commands/validation/describe.ts';
import { addVerificationDescribe } from './commands/verification/describe.ts';
import { EXIT_CODE_HELP } from './exitCodes.ts';
import { version } from './version.ts';

type AddVerb = (parent: Command) => void;

/** Every command. Parsing throws a CommanderError instead of ending the process. */
export function makeProgram(): Command {
  const program = new Command('linkspan')
    .description('Push live migration for MongoDB, with the live-migration API of Atlas.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('Add --help for what this command takes.')
    .addHelpText('after', EXIT_CODE_HELP);
  addInit(program);
  addServer(program);
  addAgent(program);
  addOrganizations(program);
  addServiceAccounts(program);
  noun(program, 'projects', ['project'], 'Projects of an organization.', [
    addProjectsList,
    addProjectsCreate,
    addProjectsDescribe,
    addProjectsDelete,
  ]);
  noun(program, 'clusters', ['cluster'], 'Destination clusters of a project.', [
    addClustersList,
    addClustersCreate,
    addClustersDescribe,
    addClustersUpdate,
    addClustersTest,
    addClustersDelete,
  ]);
  addLiveMigrations(program);
  noun(program, 'store', [], 'The store of the server, for whoever runs it.', [
    addStoreStatus,
    addStoreMigrate,
    addStoreCopy,
    addStoreBackup,
    addStoreRestore,
    addStoreRestored,
    addStoreClusterGone,
  ]);
  noun(
    program,
    'secrets',
    [],
    'Secrets that the store keeps sealed, for whoever runs the server.',
    [addSecretsRotate],
  );
  noun(program, 'config', [], 'Profiles: how to reach a server, and as whom.', [
    addConfigInit,
    addConfigSet,
    addConfigList,
  ]);
  return program;
}

function addOrganizations(program: Command): void {
  const organizations = noun(
    program,
    'organizations',
    ['orgs', 'org', 'organization'],
    'Organizations and their API keys.',
    [
      addOrganizationsList,
      addOrganizationsCreate,
      addOrganizationsDescribe,
      addOrganizationsDelete,
      addOrganizationsUnlock,
    ],
  );
  noun(organizations, 'apiKeys', ['apikeys', 'apiKey', 'apikey'], 'API keys of an organization.', [
    addApiKeysList,
    addApiKeysCreate,
    addApiKeysDescribe,
    addApiKeysDelete,
  ]);
}

function addServiceAccounts(program: Command): void {
  const accounts = noun(
    program,
    'serviceAccounts',
    ['serviceAccount', 'serviceaccounts', 'serviceaccount'],
    'Service accounts of an organization, and their secrets.',
    [
      addServiceAccountsList,
      addServiceAccountsCreate,
      addServiceAccountsDescribe,
      addServiceAccountsDelete,
    ],
  );
  noun(accounts, 'secrets', ['secret'], 'Secrets of a service account.', [
    addServiceAccountSecretsCreate,
    addServiceAccountSecretsDelete,
  ]);
}

function addLiveMigrations(program: Command): void {
  const liveMigrations = noun(
    program,
    'liveMigrations',
    ['lm', 'liveMigration'],
    'Live migrations, their validations and the organization link.',
    [
      addLiveMigrationsCreate,
      addLiveMigrationsList,
      addLiveMigrationsDescribe,
      addLiveMigrationsWatch,
      addLiveMigrationsUpdate,
      addLiveMigrationsCutover,
      addLiveMigrationsPause,
      addLiveMigrationsResume,
      addLiveMigrationsMove,
      addLiveMigrationsCancel,
      addLiveMigrationsVerify,
      addLiveMigrationsRepair,
    ],
  );
  const link = noun(liveMigrations, 'link', [], 'The link-token and the organization link.', [
    addLinkCreate,
    addLinkDescribe,
    addLinkConfirm,
    addLinkDelete,
  ]);
  noun(link, 'host', ['hosts'], 'Migration hosts of the organization link.', [
    addLinkHostCreate,
    addLinkHostDelete,
  ]);
  noun(liveMigrations, 'availableProjects', ['availableProject'], 'Projects of the source.', [
    addAvailableProjectsList,
  ]);
  noun(liveMigrations, 'verification', [], 'What is verified of live migrations.', [
    addVerificationDescribe,
  ]);
  noun(liveMigrations, 'validation', ['validations'], 'Validations of live migrations.', [
    addValidationCreate,
    addValidationDescribe,
  ]);
}

function noun(
  parent: Command,
  name: string,
  aliases: readonly string[],
  description: string,
  verbs: readonly AddVerb[],
): Command {
  const command = parent.command(name).aliases(aliases).description(description);
  for (const add of verbs) add(command);
  return command;
}
