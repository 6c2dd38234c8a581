// How much room a row of a long list takes; kept in this browser, for all lists.

import { storedChoice } from './stored-choice'

/** The density of the lists, and how to change it. */
export const { useChoice: useDensity } = storedChoice('horolog.density', ['comfortable', 'compact'])
