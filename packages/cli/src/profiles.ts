import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';

import { readYamlFile } from '@linkspan/contract/options/yamlFile.ts';
import Type, { type Static } from 'typebox';
import { stringify } from 'yaml';

/**
 * How a person reaches a server, under a name: with an API key or as a service account. Their secrets
 * are in it: the file is 0600.
 */
const Profile = Type.Object(
  {
    baseUrl: Type.Optional(Type.String({ description: 'a URL' })),
    publicKey: Type.Optional(Type.String({ description: 'a text' })),
    privateKey: Type.Optional(Type.String({ description: 'a text' })),
    clientId: Type.Optional(Type.String({ description: 'a text' })),
    clientSecret: Type.Optional(Type.String({ description: 'a text' })),
    orgId: Type.Optional(Type.String({ description: 'a text, in quotes' })),
    projectId: Type.Optional(Type.String({ description: 'a text, in quotes' })),
    tlsCaFile: Type.Optional(Type.String({ description: 'a path' })),
  },
  { additionalProperties: false },
);
export type Profile = Static<typeof Profile>;

const ProfilesFile = Type.Object(
  { profiles: Type.Record(Type.String(), Profile, { description: 'profiles by their name' }) },
  { additionalProperties: false },
);

/** Keys of a profile, with the environment variable that stands above each. */
export const PROFILE_VARIABLES = {
  baseUrl: 'LINKSPAN_BASE_URL',
  publicKey: 'LINKSPAN_PUBLIC_KEY',
  privateKey: 'LINKSPAN_PRIVATE_KEY',
  clientId: 'LINKSPAN_CLIENT_ID',
  clientSecret: 'LINKSPAN_CLIENT_SECRET',
  orgId: 'LINKSPAN_ORG_ID',
  projectId: 'LINKSPAN_PROJECT_ID',
  tlsCaFile: 'LINKSPAN_TLS_CA_FILE',
} as const satisfies Record<keyof Profile, string>;

export type ProfileKey = keyof typeof PROFILE_VARIABLES;

export const PROFILE_KEYS = Object.keys(PROFILE_VARIABLES) as readonly ProfileKey[];

/** Values that are read from standard input or a file, never from an argument. */
export const SECRET_KEYS = {
  privateKey: 'private API key',
  clientSecret: 'client secret',
} as const satisfies Partial<Record<ProfileKey, string>>;

export function isSecretKey(key: ProfileKey): key is keyof typeof SECRET_KEYS {
  return key in SECRET_KEYS;
}

/** `$XDG_CONFIG_HOME/linkspan/config.yaml`, or below `~/.config`. */
export function profilesPath(): string {
  const home = process.env['XDG_CONFIG_HOME'];
  const directory = home === undefined || home === '' ? join(homedir(), '.config') : home;
  return join(directory, 'linkspan', 'config.yaml');
}

/**
 * Every profile, by name; none where there is no file.
 * @throws {ConfigurationError} naming file and line
 */
export function readProfiles(): Record<string, Profile> {
  const path = profilesPath();
  return existsSync(path) ? readYamlFile(path, ProfilesFile).value.profiles : {};
}

/** Puts values into one profile, takes others out of it, and leaves the rest as it is. */
export function updateProfile(
  name: string,
  values: Profile,
  without: readonly ProfileKey[] = [],
): void {
  const path = profilesPath();
  const profiles = readProfiles();
  const kept = { ...profiles[name] };
  for (const key of without) delete kept[key];
  const changed = { ...profiles, [name]: { ...kept, ...values } };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, stringify({ profiles: changed }), { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
}
