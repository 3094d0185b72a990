// Package objecttest is the suite that every object.Store passes. A driver's test calls Run with a way to open an empty store.
//
// To add a promise that all stores keep, add a case to Run. What only one driver does is tested beside that driver.
package objecttest
