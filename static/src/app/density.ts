// How much room a row of a long list takes; kept in this browser, for all lists.

import { keptChoice } from './kept'

/** The density of the lists, and how to change it. */
export const { useChoice: useDensity } = keptChoice('horolog.density', ['comfortable', 'compact'])
