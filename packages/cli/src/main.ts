import { enableCompileCache } from 'node:module';
import process from 'node:process';

// Before anything else is loaded: stripping types and compiling is most of what a short command does.
enableCompileCache();

const { run } = await import('./run.ts');
process.exitCode = await run(process.argv);
