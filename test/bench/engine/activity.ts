/** An activity that does nothing, so that what is measured is the engine. */
export const echo = async (given: number): Promise<number> => given;
