import { type OptionSources, placeOf } from '../options/declare.ts';
import { readTlsFiles, TlsFileError, type TlsFiles } from './files.ts';

/** Keys of the options that name the files; a side without one of them leaves it out. */
export interface TlsOptionKeys {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * The files that options name, once they are known to be usable together.
 * @param values of the options, by key
 * @param problems takes what is wrong, with the place that names it
 */
export function tlsFilesOf(
  values: Readonly<Record<string, unknown>>,
  keys: TlsOptionKeys,
  sources: OptionSources,
  problems: string[],
): TlsFiles {
  const path = (key: string): string | null => (values[key] as string | undefined) ?? null;
  const files = { caFile: path(keys.ca), certFile: path(keys.cert), keyFile: path(keys.key) };
  const place = (key: string): string => placeOf(key, sources);
  if ((files.certFile === null) !== (files.keyFile === null)) {
    const [given, missing] =
      files.certFile === null ? [keys.key, keys.cert] : [keys.cert, keys.key];
    problems.push(`${place(given)}: needs ${place(missing)} beside it`);
    return files;
  }
  try {
    readTlsFiles(files);
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    problems.push(`${place(files.certFile === null ? keys.ca : keys.cert)}: ${error.message}`);
  }
  return files;
}
