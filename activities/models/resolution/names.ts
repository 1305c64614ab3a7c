/** What models, their versions and aliases may be called, so that one text says which is meant: `NAME@ALIAS`, `NAME@VERSION`. Pure. */

/** Of a model that is registered; a worker's own may be called by its file. `default` is what the option `model` says for none. */
export const modelNamePattern = /^(?!default$)[A-Za-z0-9][\w.-]{0,99}$/;
/** Of a version that is registered: begins as a number, so that it is no alias. */
export const versionPattern = /^v?\d[\w.+-]{0,63}$/;
/** Of an alias: looks like no version, nor like those that are called by their digest. */
export const aliasPattern = /^(?!v?\d)(?![\da-f]{12}$)[a-z][a-z0-9_-]{0,63}$/;

/** The alias by which the bare name of a model goes, where it is set. */
export const PRODUCTION = 'production';
