import packageFile from '../package.json' with { type: 'json' };

/** The version of Linkspan. */
export const { version } = packageFile;
